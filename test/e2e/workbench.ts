// VS Code's window as a person uses it: palette, quick inputs, notifications, status bar, editors, webviews, themes, pictures.
// The functions given to `evaluate` run in the page.
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser, Frame, Locator, Page } from 'playwright-core';
import { startBrowser } from './browser.ts';
import { type VSCodeServer, windowTitleEnd } from './vscodeServer.ts';

/** One of VS Code's own colour themes of each kind: its name in the theme picker and the class that the window then wears. */
const themes = {
  light: { label: 'Light Modern', className: 'vs' },
  dark: { label: 'Dark Modern', className: 'vs-dark' },
  'high-contrast': { label: 'Dark High Contrast', className: 'hc-black' },
  'high-contrast-light': { label: 'Light High Contrast', className: 'hc-light' },
} as const;
export type ThemeKind = keyof typeof themes;

export interface WorkbenchOptions {
  readonly server: Pick<VSCodeServer, 'url'>;
  /** Absolute path of the folder to open; none leaves the window empty. */
  readonly folder?: string;
  /** Where screenshots go; `test-output/screenshots` when left out. */
  readonly screenshots?: string;
  /** Waits are given up after that; 30 s when left out. */
  readonly timeoutMs?: number;
}

/** A notification that is on screen. */
export interface Notification {
  readonly severity: 'info' | 'warning' | 'error';
  readonly message: string;
}

/** The caret of the active text editor. */
export interface Cursor {
  /** Title of the active tab. */
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
  readonly column: number;
  /** The whole line the caret is in, as the editor shows it. */
  readonly text: string;
}

/** One browser with one VS Code window. Every wait is for a condition and ends with an error that names it. */
export class Workbench {
  private pictures = 0;
  private theme: ThemeKind = 'dark';
  /** Errors that the page itself reported: a test that fails shows them. */
  readonly pageErrors: string[] = [];

  private constructor(
    readonly page: Page,
    private readonly browser: Browser,
    private readonly options: WorkbenchOptions,
  ) {
    page.on('pageerror', (error) => this.pageErrors.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') this.pageErrors.push(message.text());
    });
  }

  /** Opens the window and waits until it is settled: painted, connected, extensions known. */
  static async open(options: WorkbenchOptions): Promise<Workbench> {
    const browser = await startBrowser();
    try {
      const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: 'en-US' });
      context.setDefaultTimeout(options.timeoutMs ?? 30_000);
      const workbench = new Workbench(await context.newPage(), browser, options);
      await workbench.page.goto(options.server.url(options.folder));
      await workbench.settled();
      return workbench;
    } catch (error) {
      await browser.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.browser.close();
  }

  /** Loads the window anew, as F5 in the browser does: editors are restored, the extension host starts again. */
  async reload(): Promise<void> {
    await this.page.reload();
    await this.settled();
  }

  /**
   * Waits until VS Code has started, the user settings are in force, the extensions are known, and nothing is loading.
   * A window that came up without the settings, because the server was late with the file, is loaded once more.
   */
  async settled(): Promise<void> {
    await this.started();
    const inForce = (): Promise<unknown> =>
      this.page.waitForFunction((end) => document.title.endsWith(end), windowTitleEnd, { timeout: 10_000 });
    try {
      await inForce();
    } catch {
      await this.page.reload();
      await this.started();
      await inForce();
    }
  }

  private async started(): Promise<void> {
    await this.page.locator('.monaco-workbench .part.statusbar').waitFor({ timeout: 60_000 });
    await this.page.waitForFunction(
      () =>
        ['code/didStartWorkbench', 'code/didLoadExtensions'].every(
          (mark) => performance.getEntriesByName(mark).length > 0,
        ),
      undefined,
      { timeout: 60_000 },
    );
    await this.page.waitForFunction(
      () => document.querySelector('.monaco-workbench .monaco-progress-container.active') === null,
    );
    // A folder's explorer shows its tree only after the remote file system answers.
    if (this.options.folder !== undefined)
      await this.page.locator('.explorer-folders-view .monaco-list').first().waitFor();
  }

  // Palette and quick inputs

  private get quickInput(): Locator {
    return this.page.locator('.quick-input-widget:visible');
  }

  private get quickInputBox(): Locator {
    return this.quickInput.locator('.quick-input-box input');
  }

  private row(label: string): Locator {
    return this.quickInput
      .locator('.quick-input-list .monaco-list-row')
      .filter({ has: this.page.locator('.label-name', { hasText: exactly(label) }) });
  }

  /** Waits until the palette offers this command. */
  async waitForCommand(label: string): Promise<void> {
    await this.offer(label);
    await this.dismiss();
  }

  /**
   * Opens the palette on a command. Its list is made when it opens, and an editor or view that opens late closes it, so it is
   * opened anew until it offers the command, enabled.
   */
  private async offer(label: string): Promise<Locator> {
    const deadline = Date.now() + (this.options.timeoutMs ?? 30_000);
    for (;;) {
      await this.page.keyboard.press('F1');
      const row = this.row(label).first();
      try {
        await this.quickInputBox.fill(`>${label}`, { timeout: 3000 });
        await row.waitFor({ timeout: 2000 });
        return row;
      } catch {
        await this.dismiss();
      }
      if (Date.now() > deadline) throw new Error(`the palette does not offer "${label}"`);
    }
  }

  /** Runs a command by the label that the palette shows for it ("Packet Trail: Start Trace"). */
  async runCommand(label: string): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      const row = await this.offer(label);
      try {
        await row.click({ timeout: 5000 });
        break;
      } catch (error) {
        // As above, the palette may close in between.
        if (tries === 3 || (await row.isVisible())) throw error;
      }
    }
    // The palette is over when it is hidden, or shows what the command asks.
    await this.page.waitForFunction((text) => {
      const widget = document.querySelector<HTMLElement>('.quick-input-widget');
      const shown = widget !== null && widget.style.display !== 'none';
      return !shown || widget.querySelector<HTMLInputElement>('.quick-input-box input')?.value !== text;
    }, `>${label}`);
  }

  /** Waits for a quick input and reads it. */
  async readQuickInput(): Promise<{ title: string; placeholder: string; message: string; value: string }> {
    await this.quickInput.waitFor();
    const text = async (selector: string): Promise<string> => {
      const found = this.quickInput.locator(selector);
      return (await found.count()) === 0 ? '' : ((await found.first().textContent()) ?? '').trim();
    };
    return {
      title: await text('.quick-input-title'),
      placeholder: (await this.quickInputBox.getAttribute('placeholder')) ?? '',
      message: await text('.quick-input-message'),
      value: await this.quickInputBox.inputValue(),
    };
  }

  /** Waits for a pick that offers this label, and takes it. */
  async pick(label: string): Promise<void> {
    await this.row(label).first().click();
  }

  /** Labels that the open pick offers now. */
  async picks(): Promise<readonly string[]> {
    await this.quickInput.locator('.monaco-list-row').first().waitFor();
    const labels = await this.quickInput.locator('.monaco-list-row .label-name').allTextContents();
    // An icon stands before the text as a space.
    return labels.map((label) => label.trim());
  }

  /** Writes into the open quick input without accepting it. */
  async type(text: string): Promise<void> {
    await this.quickInputBox.waitFor();
    await this.quickInputBox.fill(text);
  }

  /** Waits for a quick input (whose title matches, when given), writes the text and accepts it. */
  async enter(text: string, title?: RegExp): Promise<void> {
    if (title !== undefined) await this.quickInput.locator('.quick-input-title', { hasText: title }).waitFor();
    await this.type(text);
    await this.page.keyboard.press('Enter');
  }

  /** Waits until a quick input with this title is open. */
  async quickInputTitle(title: RegExp): Promise<void> {
    await this.quickInput.locator('.quick-input-title', { hasText: title }).waitFor();
  }

  /** Waits until no quick input is open, or it has another question: its box is empty. */
  async quickInputGone(): Promise<void> {
    await this.page.waitForFunction(() => {
      const widget = document.querySelector<HTMLElement>('.quick-input-widget');
      const shown = widget !== null && widget.style.display !== 'none';
      return !shown || widget.querySelector<HTMLInputElement>('.quick-input-box input')?.value === '';
    });
  }

  /** Waits until the open quick input shows a message that matches, such as why an input is refused. */
  async quickInputMessage(expected: RegExp): Promise<string> {
    const message = this.quickInput.locator('.quick-input-message', { hasText: expected });
    await message.waitFor();
    return ((await message.textContent()) ?? '').trim();
  }

  /** Presses a button in the title of the open quick input ("Recent filters"). */
  async pressQuickInputButton(label: RegExp): Promise<void> {
    await this.quickInput.locator('.quick-input-titlebar').getByRole('button', { name: label }).click();
  }

  /** Closes the open quick input, as Escape does. */
  async dismiss(): Promise<void> {
    await this.page.keyboard.press('Escape');
    await this.page.locator('.quick-input-widget').waitFor({ state: 'hidden' });
  }

  /** Answers VS Code's file dialog, which is a path box in the browser, with a new file's path. */
  async enterPath(path: string): Promise<void> {
    await this.quickInputBox.waitFor();
    // Until its own proposal stands there, its file name selected, the dialog may still put that over what was typed.
    await this.page.waitForFunction(() => {
      const box = document.querySelector<HTMLInputElement>('.quick-input-widget input');
      return box?.value.endsWith('.pkttrail') === true && box.selectionStart !== box.selectionEnd;
    });
    const settled = (): Promise<unknown> =>
      // The dialog looks a path up first; OK acts on what it has found by then.
      this.page.waitForFunction(() => {
        const box = document.querySelector<HTMLInputElement>('.quick-input-widget input');
        const busy = document.querySelector('.quick-input-widget .quick-input-progress.active');
        return box?.value.startsWith('/') === true && busy === null;
      });
    const accepted = (): Promise<boolean> =>
      this.quickInputBox.waitFor({ state: 'hidden', timeout: 5000 }).then(
        () => true,
        () => false,
      );
    do {
      while ((await this.quickInputBox.inputValue()) !== path) {
        await this.quickInputBox.fill(path);
        await settled();
      }
      await this.quickInput.locator('.quick-input-action .monaco-button', { hasText: /^OK$/ }).first().click();
    } while (!(await accepted()));
  }

  // Notifications, dialogs, status bar

  /** Notifications that are on screen. */
  async notifications(): Promise<readonly Notification[]> {
    return this.page.locator('.notifications-toasts .notification-list-item').evaluateAll((items) =>
      items.map((item) => {
        const icon = item.querySelector('.notification-list-item-icon')?.className ?? '';
        return {
          severity: icon.includes('error') ? 'error' : icon.includes('warning') ? 'warning' : 'info',
          message: item.querySelector('.notification-list-item-message')?.textContent ?? '',
        };
      }),
    );
  }

  private toast(message: RegExp): Locator {
    return this.page
      .locator('.notifications-toasts .notification-list-item')
      .filter({ has: this.page.locator('.notification-list-item-message', { hasText: message }) })
      .first();
  }

  /** Waits for a notification whose text matches, and returns its text. */
  async notification(message: RegExp, timeoutMs?: number): Promise<string> {
    const toast = this.toast(message);
    await toast.waitFor(timeoutMs === undefined ? {} : { timeout: timeoutMs });
    return (await toast.locator('.notification-list-item-message').textContent()) ?? '';
  }

  /** Presses a button of a notification ("Cancel", "Open Log"). */
  async answerNotification(message: RegExp, button: string): Promise<void> {
    const toast = this.toast(message);
    await toast.hover();
    await toast.locator('.monaco-button', { hasText: exactly(button) }).click();
  }

  /** Waits for a modal dialog whose text matches, and presses one of its buttons. */
  async answerDialog(message: RegExp, button: string): Promise<string> {
    const dialog = this.page.locator('.monaco-dialog-box', { hasText: message });
    await dialog.waitFor();
    const text = ((await dialog.locator('.dialog-message-container').textContent()) ?? '').trim();
    await dialog.locator('.monaco-button', { hasText: exactly(button) }).click();
    await dialog.waitFor({ state: 'hidden' });
    return text;
  }

  /** Texts of the status bar's items, left to right. */
  async statusBar(): Promise<readonly string[]> {
    const texts = await this.page.locator('.part.statusbar .statusbar-item:visible').allTextContents();
    return texts.map((text) => text.trim()).filter((text) => text !== '');
  }

  /** Waits for a status bar item whose text matches, and returns its text. */
  async statusBarItem(expected: RegExp, timeoutMs?: number): Promise<string> {
    const item = this.page.locator('.part.statusbar .statusbar-item', { hasText: expected }).first();
    await item.waitFor(timeoutMs === undefined ? {} : { timeout: timeoutMs });
    return ((await item.textContent()) ?? '').trim();
  }

  async clickStatusBarItem(text: RegExp): Promise<void> {
    await this.page.locator('.part.statusbar .statusbar-item', { hasText: text }).first().locator('a').first().click();
  }

  /** Closes every notification that is on screen. */
  async clearNotifications(): Promise<void> {
    await this.runCommand('Notifications: Clear All Notifications');
    await this.page.locator('.notifications-toasts .notification-list-item').first().waitFor({ state: 'detached' });
  }

  // Side bar

  /** Shows a view container by its name in the activity bar. */
  async openContainer(name: string): Promise<void> {
    const tab = this.page.locator(`.activitybar .action-item:has(a[aria-label^="${name}"])`);
    if (
      (await tab.getAttribute('aria-expanded')) !== 'true' &&
      !((await tab.getAttribute('class')) ?? '').includes('checked')
    )
      await tab.locator('a').click();
    await this.page.locator('.sidebar .composite.title', { hasText: new RegExp(name, 'i') }).waitFor();
  }

  /** A row of the side bar's trees by its label. */
  treeRow(label: string | RegExp): Locator {
    return this.page
      .locator('.sidebar .monaco-list-row')
      .filter({
        has: this.page.locator('.label-name', { hasText: typeof label === 'string' ? exactly(label) : label }),
      })
      .first();
  }

  // Editors

  /** Opens a file of the folder by its name, through quick open, which finds a new file only when it is opened anew. */
  async openFile(name: string): Promise<void> {
    const base = name.slice(name.lastIndexOf('/') + 1);
    const deadline = Date.now() + (this.options.timeoutMs ?? 30_000);
    for (;;) {
      await this.page.keyboard.press('Control+P');
      try {
        await this.quickInputBox.fill(name, { timeout: 3000 });
        await this.row(base).first().click({ timeout: 3000 });
        break;
      } catch (error) {
        if (Date.now() > deadline) throw error;
        await this.dismiss();
      }
    }
    await this.tab(base);
  }

  /** Waits until a tab with this title is the active one. */
  async tab(title: string | RegExp): Promise<void> {
    await this.activeTab.filter({ hasText: typeof title === 'string' ? exactly(title) : title }).waitFor();
  }

  private get activeTab(): Locator {
    return this.page.locator('.editor-group-container.active .tab.active .label-name');
  }

  /** Titles of all open tabs. */
  async tabs(): Promise<readonly string[]> {
    return this.page.locator('.editor-group-container .tab .label-name').allTextContents();
  }

  async closeAllEditors(): Promise<void> {
    await this.runCommand('View: Close All Editors');
    await this.page.locator('.editor-group-container .tab').first().waitFor({ state: 'detached' });
  }

  /** Waits until the active text editor's caret is in a line that matches, and says where that is. */
  async cursorAt(line: RegExp, timeoutMs = this.options.timeoutMs ?? 30_000): Promise<Cursor> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const cursor = await this.cursor();
      if (cursor !== undefined && line.test(cursor.text)) return cursor;
      if (Date.now() > deadline)
        throw new Error(`no editor with its caret in a line that matches ${String(line)}: ${JSON.stringify(cursor)}`);
      await this.page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
    }
  }

  /** The caret of the active text editor; undefined while there is none. */
  async cursor(): Promise<Cursor | undefined> {
    return this.page.evaluate(() => {
      const group = document.querySelector('.editor-group-container.active');
      const editor = group?.querySelector('.monaco-editor');
      const status = document.querySelector('[id="status.editor.selection"]')?.textContent ?? '';
      const position = /Ln (\d+), Col (\d+)/.exec(status);
      const number = editor?.querySelector('.margin .line-numbers.active-line-number')?.parentElement;
      if (!(number instanceof HTMLElement) || position === null) return undefined;
      const lines = [...(editor?.querySelectorAll('.view-lines .view-line') ?? [])];
      const line = lines.find(
        (candidate) => candidate instanceof HTMLElement && candidate.style.top === number.style.top,
      );
      return {
        file: group?.querySelector('.tab.active .label-name')?.textContent ?? '',
        line: Number(position[1]),
        column: Number(position[2]),
        text: (line?.textContent ?? '').replaceAll('\u00a0', ' '),
      };
    });
  }

  /** The lines that the active text editor shows now, top to bottom. */
  async visibleText(): Promise<string> {
    return this.page
      .locator('.editor-group-container.active .monaco-editor .view-lines')
      .first()
      .evaluate((lines) =>
        [...lines.querySelectorAll<HTMLElement>('.view-line')]
          .sort((a, b) => Number.parseFloat(a.style.top) - Number.parseFloat(b.style.top))
          .map((line) => line.textContent.replaceAll('\u00a0', ' '))
          .join('\n'),
      );
  }

  // Webviews

  /** Waits for a webview whose document has an element for this selector on screen, and returns its frame. */
  async webview(selector = '#timeline'): Promise<Frame> {
    const deadline = Date.now() + (this.options.timeoutMs ?? 30_000);
    for (;;) {
      for (const frame of this.page.frames()) {
        if (frame === this.page.mainFrame()) continue;
        // A frame may go away while it is asked.
        const found = await frame
          .locator(selector)
          .first()
          .isVisible()
          .catch(() => false);
        if (found) return frame;
      }
      if (Date.now() > deadline) throw new Error(`no webview shows an element "${selector}"`);
      await this.page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
    }
  }

  // Looks

  /** Changes the colour theme as a person does, and waits until the window wears it. */
  async setTheme(kind: ThemeKind): Promise<void> {
    await this.runCommand('Preferences: Color Theme');
    await this.type(themes[kind].label);
    await this.pick(themes[kind].label);
    await this.page.locator(`.monaco-workbench.${themes[kind].className}`).waitFor();
    this.theme = kind;
  }

  /** Keeps a picture of the whole window as `NN-name-theme.png` and returns its path. */
  async screenshot(name: string): Promise<string> {
    const folder = this.options.screenshots ?? join('test-output', 'screenshots');
    await mkdir(folder, { recursive: true });
    this.pictures += 1;
    const path = join(folder, `${String(this.pictures).padStart(2, '0')}-${name}-${this.theme}.png`);
    await this.page.screenshot({ path });
    return path;
  }
}

/** Matches the whole text and nothing else. */
function exactly(text: string): RegExp {
  return new RegExp(`^\\s*${text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll(' ', '\\s')}\\s*$`);
}
