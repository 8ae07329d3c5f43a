// Messages over the page: failures, which stay until they are closed, and notes, which go by themselves.
import { createButton } from './controls.ts';
import { el, icon } from './dom.ts';

const most = 3;
const noteMs = 6000;

/** The messages that are shown, at most three. */
export class Toasts {
  readonly element = el('div', { class: 'toasts' });
  private readonly shown = new Map<string, HTMLElement>();

  /** Shows a failure; the same one is shown once. */
  error(message: string): void {
    this.show(message, 'error');
  }

  note(message: string): void {
    const toast = this.show(message, 'note');
    if (toast !== undefined) setTimeout(() => this.close(message), noteMs);
  }

  private show(message: string, kind: 'error' | 'note'): HTMLElement | undefined {
    if (message === '' || this.shown.has(message)) return undefined;
    const close = createButton({ icon: 'clear', title: 'Close', onClick: () => this.close(message) });
    const toast = el(
      'div',
      { class: `toast ${kind}`, attributes: { role: kind === 'error' ? 'alert' : 'status' } },
      ...(kind === 'error' ? [icon('warning')] : []),
      el('span', { class: 'toast-text', text: message }),
      close.element,
    );
    this.shown.set(message, toast);
    this.element.append(toast);
    const oldest = this.shown.keys().next();
    if (this.shown.size > most && oldest.done !== true) this.close(oldest.value);
    return toast;
  }

  private close(message: string): void {
    this.shown.get(message)?.remove();
    this.shown.delete(message);
  }
}
