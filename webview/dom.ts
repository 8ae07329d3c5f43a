// Small helpers to build DOM without HTML strings, which the content security policy and good sense both forbid.

/** What an element is made with. */
export interface ElementOptions {
  readonly class?: string;
  readonly text?: string;
  readonly title?: string;
  readonly attributes?: Readonly<Record<string, string>>;
}

/** Makes an element with children. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  options: ElementOptions = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (options.class !== undefined) element.className = options.class;
  if (options.text !== undefined) element.textContent = options.text;
  if (options.title !== undefined) element.title = options.title;
  for (const [name, value] of Object.entries(options.attributes ?? {})) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** 16 × 16 outlines, drawn in the current colour. */
const icons = {
  pause: 'M4 3h3v10H4zM9 3h3v10H9z',
  resume: 'M4 2.5v11l9-5.5z',
  stop: 'M3.5 3.5h9v9h-9z',
  save: 'M2 2h9.5L14 4.5V14H2zM4 3v4h7V3zM4.5 9.5V13h7V9.5z',
  fit: 'M1.5 3h1.2v10H1.5zM13.3 3h1.2v10h-1.2zM3.8 8l3-2.6v2h2.4v-2l3 2.6-3 2.6v-2H6.8v2z',
  plus: 'M7.4 3h1.2v4.4H13v1.2H8.6V13H7.4V8.6H3V7.4h4.4z',
  minus: 'M3 7.4h10v1.2H3z',
  follow: 'M2 7.4h7V4.6L12.4 8 9 11.4V8.6H2zM12.8 2.5H14v11h-1.2z',
  clear: 'M4.1 3.3 8 7.2l3.9-3.9.8.8L8.8 8l3.9 3.9-.8.8L8 8.8l-3.9 3.9-.8-.8L7.2 8 3.3 4.1z',
  search:
    'M6.8 2a4.8 4.8 0 0 1 3.8 7.7l3.2 3.2-.9.9-3.2-3.2A4.8 4.8 0 1 1 6.8 2zm0 1.2a3.6 3.6 0 1 0 0 7.2 3.6 3.6 0 0 0 0-7.2z',
  edit: 'M11.2 2 14 4.8 5.6 13.2 2 14l.8-3.6zM10.3 4.3l1.4 1.4.7-.8-1.4-1.5zM9.5 5.1 3.8 10.8l-.3 1.7 1.7-.4 5.7-5.6z',
  check: 'M6.3 12.2 2.4 8.3l.9-.9 3 3 6.4-6.4.9.9z',
  warning: 'M8 1.5 15.2 14H.8zM7.4 6v4h1.2V6zm0 5.2v1.3h1.2v-1.3z',
} as const;
/** Names of the icons. */
export type IconName = keyof typeof icons;

const svg = 'http://www.w3.org/2000/svg';

/** Makes an icon; a screen reader passes over it. */
export function icon(name: IconName): SVGSVGElement {
  const image = document.createElementNS(svg, 'svg');
  image.setAttribute('viewBox', '0 0 16 16');
  image.setAttribute('width', '16');
  image.setAttribute('height', '16');
  image.setAttribute('fill', 'currentColor');
  image.setAttribute('aria-hidden', 'true');
  image.setAttribute('class', 'icon');
  const path = document.createElementNS(svg, 'path');
  path.setAttribute('d', icons[name]);
  path.setAttribute('fill-rule', 'evenodd');
  image.append(path);
  return image;
}

/** Sets text only when it changes, so that a screen reader and the layout aren't disturbed. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
