// The canvas's colours, read from the theme's CSS variables. Pure: the reader of a variable is handed in.
import { layers } from '../extension/protocol/timeline.ts';

/** Colours as CSS has them. */
export interface Palette {
  readonly background: string;
  readonly foreground: string;
  /** For secondary text. */
  readonly dim: string;
  readonly grid: string;
  readonly border: string;
  readonly error: string;
  readonly warning: string;
  readonly focus: string;
  readonly selection: string;
  readonly hover: string;
  /** By layer index. */
  readonly layers: readonly string[];
  /** Outlines instead of tints; shapes carry the meaning. */
  readonly highContrast: boolean;
  readonly font: string;
}

/**
 * The variables of a layer's colour, the first that the theme sets wins; the last entry is for themes that set none. Red is left
 * to drops. styles/legend.css has the same order for the swatches.
 */
const layerColours: Readonly<Record<(typeof layers)[number], readonly [...string[], string]>> = {
  driver: ['--vscode-charts-blue', '#3794ff'],
  bpf: ['--vscode-charts-purple', '#b180d7'],
  core: ['--vscode-terminal-ansiBrightBlack', '#7f7f7f'],
  bridge: ['--vscode-terminal-ansiBrightYellow', '--vscode-charts-yellow', '#cca700'],
  netfilter: ['--vscode-charts-orange', '#d18616'],
  ip: ['--vscode-charts-green', '#4caf50'],
  transport: ['--vscode-terminal-ansiBrightMagenta', '#d670d6'],
  socket: ['--vscode-terminal-ansiCyan', '#11a8cd'],
  other: ['--vscode-descriptionForeground', '#9d9d9d'],
};

/** What the body's class says of the theme. */
export type Contrast = 'normal' | 'dark' | 'light';

/** Reads the palette. `read` gives a variable's resolved value, or an empty string. */
export function readPalette(read: (variable: string) => string, contrast: Contrast): Palette {
  const highContrast = contrast !== 'normal';
  const first = (...names: readonly string[]): string => {
    for (const name of names) {
      if (!name.startsWith('--')) return name;
      const value = read(name).trim();
      if (value !== '') return value;
    }
    return '#808080';
  };
  const foreground = first('--vscode-foreground', '--vscode-editor-foreground', '#cccccc');
  return {
    background: first('--vscode-editor-background', '#1f1f1f'),
    foreground,
    dim: first('--vscode-descriptionForeground', foreground),
    grid: first(
      ...(highContrast ? ['--vscode-contrastBorder'] : []),
      '--vscode-editorIndentGuide-background1',
      '--vscode-panel-border',
      '#80808040',
    ),
    border: first('--vscode-contrastBorder', '--vscode-panel-border', '#80808060'),
    error: first('--vscode-errorForeground', '#f85149'),
    warning: first('--vscode-editorWarning-foreground', '#cca700'),
    focus: first(...(highContrast ? ['--vscode-contrastActiveBorder'] : []), '--vscode-focusBorder', '#0078d4'),
    selection: first('--vscode-list-inactiveSelectionBackground', '#80808040'),
    hover: first('--vscode-list-hoverBackground', '#80808020'),
    layers: layers.map((layer) =>
      // High contrast light has no orange among its chart colours: two layers would both be blue.
      layer === 'netfilter' && contrast === 'light'
        ? first('--vscode-editorWarning-foreground', ...layerColours[layer])
        : first(...layerColours[layer]),
    ),
    highContrast,
    font: first('--vscode-font-family', 'sans-serif'),
  };
}
