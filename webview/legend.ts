// What the colours and shapes mean.
import { layers } from '../extension/protocol/timeline.ts';
import { el } from './dom.ts';
import { layerNames } from './format.ts';

/** Makes the legend. */
export function createLegend(): HTMLElement {
  const entry = (mark: HTMLElement, text: string): HTMLElement => el('li', {}, mark, text);
  return el(
    'ul',
    { class: 'legend', attributes: { 'aria-label': 'Legend' } },
    ...layers.map((layer) => entry(el('span', { class: `swatch layer-${layer}` }), layerNames[layer])),
    entry(el('span', { class: 'sign drop', text: '✕' }), 'drop'),
    entry(el('span', { class: 'sign discard', text: '⊖' }), 'discard: nothing lost'),
    entry(el('span', { class: 'sign program', text: '▸' }), 'BPF program'),
    entry(el('span', { class: 'sign program', text: '◆' }), 'its verdict'),
    entry(el('span', { class: 'sign verdict', text: '◆' }), 'other verdict'),
    entry(el('span', { class: 'sign hatched' }), 'events lost'),
  );
}
