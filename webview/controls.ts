// The form controls. Only this file knows which library draws them, so that another one touches this file alone.
// First, so that it is in place when the library loads.
import { endFocusProbe } from './focusProbe.ts';
import {
  provideVSCodeDesignSystem,
  vsCodeButton,
  vsCodeTextField,
  type Button as ToolkitButton,
  type TextField as ToolkitTextField,
} from '@vscode/webview-ui-toolkit';
import { el, icon, type IconName } from './dom.ts';

endFocusProbe();
provideVSCodeDesignSystem().register(vsCodeButton(), vsCodeTextField());

/** What is used of the library's elements. */
type ButtonElement = HTMLElement & Pick<ToolkitButton, 'appearance' | 'disabled'>;
type FieldElement = HTMLElement & Pick<ToolkitTextField, 'placeholder' | 'value'>;

/** A push button that is on the page. */
export interface Button {
  readonly element: HTMLElement;
  setLabel(label: string, icon: IconName): void;
  setEnabled(enabled: boolean): void;
  setVisible(visible: boolean): void;
  /** Makes it a toggle. */
  setPressed(pressed: boolean): void;
  focus(): void;
}

/** What a button is. */
export interface ButtonOptions {
  readonly icon: IconName;
  /** Shown beside the icon; without it the title is the button's name. */
  readonly label?: string;
  readonly title: string;
  readonly onClick: () => void;
}

/** A push button: an icon, and a label when it has one. */
export function createButton(options: ButtonOptions): Button {
  const element = document.createElement('vscode-button') as ButtonElement;
  const labelled = options.label !== undefined;
  // The name comes first: an icon button without one is named by the library.
  element.setAttribute('aria-label', options.label ?? options.title);
  element.appearance = labelled ? 'secondary' : 'icon';
  element.classList.add('control-button');
  element.title = options.title;
  const button: Button = {
    element,
    setLabel(label, name) {
      if (labelled) element.setAttribute('aria-label', label);
      const image = icon(name);
      if (labelled) image.setAttribute('slot', 'start');
      element.replaceChildren(image, label);
    },
    setEnabled(enabled) {
      element.disabled = !enabled;
    },
    setVisible(visible) {
      element.hidden = !visible;
    },
    setPressed(pressed) {
      element.setAttribute('aria-pressed', String(pressed));
      element.classList.toggle('pressed', pressed);
    },
    focus() {
      element.focus();
    },
  };
  button.setLabel(options.label ?? '', options.icon);
  element.addEventListener('click', options.onClick);
  return button;
}

/** A field that is on the page. */
export interface TextField {
  readonly element: HTMLElement;
  value: string;
  /** Marks the value as bad, for eyes and for screen readers. */
  setInvalid(invalid: boolean): void;
  focus(): void;
}

/** What a search field is. */
export interface TextFieldOptions {
  readonly label: string;
  readonly placeholder: string;
  readonly onInput: (value: string) => void;
  /** Esc in an empty field. */
  readonly onLeave: () => void;
}

/** Whether what an event came from is a field, which keeps the keys that are typed to itself. */
export function isField(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest('vscode-text-field') !== null;
}

/** What a field is whose value counts once it is submitted. */
export interface LineFieldOptions {
  readonly label: string;
  readonly placeholder: string;
  /** Enter. */
  readonly onSubmit: (value: string) => void;
  /** Esc. */
  readonly onCancel: () => void;
  readonly onInput: () => void;
}

/** A one-line field whose value counts once it is submitted. */
export function createLineField(options: LineFieldOptions): TextField {
  const element = document.createElement('vscode-text-field') as FieldElement;
  element.placeholder = options.placeholder;
  requestAnimationFrame(() => element.setAttribute('aria-label', options.label));
  element.classList.add('control-line');
  element.addEventListener('input', () => options.onInput());
  element.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' && event.key !== 'Enter') return;
    event.stopPropagation();
    event.preventDefault();
    if (event.key === 'Enter') options.onSubmit(element.value);
    else options.onCancel();
  });
  return fieldOf(element);
}

/** A one-line search field with a button that clears it; Esc clears, too. */
export function createSearchField(options: TextFieldOptions): TextField {
  const element = document.createElement('vscode-text-field') as FieldElement;
  element.placeholder = options.placeholder;
  // The library names a field by its text when it enters the page; ours stays.
  requestAnimationFrame(() => element.setAttribute('aria-label', options.label));
  element.classList.add('control-search');
  const start = el('span', { attributes: { slot: 'start' } }, icon('search'));
  const clear = createButton({ icon: 'clear', title: 'Clear filter', onClick: () => change('') });
  clear.element.slot = 'end';
  clear.setVisible(false);
  element.append(start, clear.element);
  const change = (value: string): void => {
    element.value = value;
    clear.setVisible(value !== '');
    options.onInput(value);
  };
  element.addEventListener('input', () => {
    clear.setVisible(element.value !== '');
    options.onInput(element.value);
  });
  element.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    event.stopPropagation();
    if (element.value === '') options.onLeave();
    else change('');
  });
  return fieldOf(element, (value) => clear.setVisible(value !== ''));
}

function fieldOf(element: FieldElement, onSet: (value: string) => void = () => undefined): TextField {
  return {
    element,
    get value() {
      return element.value;
    },
    set value(value) {
      element.value = value;
      onSet(value);
    },
    setInvalid(invalid) {
      element.ariaInvalid = String(invalid);
      element.classList.toggle('invalid', invalid);
    },
    focus() {
      element.focus();
    },
  };
}
