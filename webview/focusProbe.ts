// The control library probes, while it loads, whether the browser knows :focus-visible: it puts an empty <style> element into the page,
// which the content security policy refuses with an error in the console. It gets an element with a style sheet that isn't part of
// the page instead. Imported before the library; controls.ts ends it right after.

type Create = (name: string, options?: ElementCreationOptions) => HTMLElement;
const page = document as { createElement: Create };
const create = page.createElement.bind(document);

page.createElement = (name, options) =>
  name === 'style' ? Object.assign(create('template'), { sheet: new CSSStyleSheet() }) : create(name, options);

/** Gives the document its own way of making elements back. */
export function endFocusProbe(): void {
  page.createElement = create;
}
