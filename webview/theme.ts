// The theme's colours for the canvas, read anew when VS Code changes them.
import { readPalette, type Palette } from './palette.ts';

/** Calls `onChange` with the palette as it is, and whenever it may be another one. */
export function watchTheme(onChange: (palette: Palette) => void): void {
  const read = (): void => {
    const style = getComputedStyle(document.documentElement);
    const { classList } = document.body;
    const contrast = classList.contains('vscode-high-contrast-light')
      ? 'light'
      : classList.contains('vscode-high-contrast')
        ? 'dark'
        : 'normal';
    onChange(readPalette((name) => style.getPropertyValue(name), contrast));
  };
  read();
  const observer = new MutationObserver(read);
  observer.observe(document.body, { attributes: true, attributeFilter: ['class', 'data-vscode-theme-id'] });
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ['style', 'class'] });
}
