// The one status bar item: the node that is traced, events a second, what that costs there, and what was lost.
import * as vscode from 'vscode';
import { iconless } from '../protocol/plainText.ts';
import type { TraceSummary } from '../protocol/timeline.ts';
import type { OpenTrace } from '../sessions/traces.ts';
import type { TraceItem } from './tracesView.ts';

const number = new Intl.NumberFormat('en-US');
const tenths = new Intl.NumberFormat('en-US', { maximumFractionDigits: 1 });

/** A part of one core: "3.5 %"; a small one is never shown as nothing. */
function percentText(share: number): string {
  return share > 0 && share < 0.001 ? '< 0.1 %' : `${tenths.format(100 * share)} %`;
}

/** Text, tooltip and warning of the item for a trace; pure, so that tests can read it. */
export function statusText(summary: TraceSummary): { text: string; tooltip: string; warn: boolean } {
  const lost = summary.lost > 0;
  const icon = {
    starting: '$(sync~spin)',
    live: '$(pulse)',
    paused: '$(debug-pause)',
    ended: '$(check)',
    failed: '$(error)',
    file: '$(file)',
  }[summary.status];
  const { overhead, hooksShed, leaving } = summary;
  const percent = overhead === undefined ? '' : percentText(overhead);
  const figures = [
    ...(leaving ? ['taking hooks off'] : []),
    ...(summary.status === 'live' ? [`${number.format(Math.round(summary.eventsPerSecond))} events/s`] : []),
    ...(percent ? [`${percent} CPU`] : []),
    lost ? `$(warning) ${number.format(summary.lost)} lost` : '0 lost',
  ];
  return {
    text: `${leaving ? '$(sync~spin)' : icon} ${iconless(summary.node)} ${figures.join(', ')}`,
    tooltip: [
      `Packet Trail on ${summary.node}: ${summary.status}`,
      `Filter: ${summary.filter || 'every packet'}`,
      `${number.format(summary.events)} events of ${number.format(summary.packets)} packets, ${number.format(summary.drops)} dropped`,
      `${number.format(summary.hooksAttached)} hooks attached, ${number.format(summary.hooksSkipped)} skipped`,
      ...(hooksShed > 0
        ? [`${number.format(hooksShed)} hooks detached to keep within the overhead budget; Show Hooks lists them`]
        : []),
      ...(percent ? [`BPF programs of this trace take ${percent} of one core on the node`] : []),
      lost
        ? `${number.format(summary.lost)} events were lost on the way; the timeline shows when`
        : 'No event was lost',
      ...(summary.missed > 0
        ? [
            `${number.format(summary.missed)} hits, of whatever packets, came in an interrupt of a hook and went unseen: a trail may miss hops`,
          ]
        : []),
      ...(summary.message ? [summary.message] : []),
    ].join('\n'),
    warn: lost,
  };
}

/** Shows the trace that is live, and hides when none is. */
export class StatusBar implements vscode.Disposable {
  private readonly item: vscode.StatusBarItem;

  constructor() {
    this.item = vscode.window.createStatusBarItem('packetTrail.status', vscode.StatusBarAlignment.Left, 50);
    this.item.name = 'Packet Trail';
  }

  /** A click shows the trace that the item is of. */
  show(summary: TraceSummary, trace: OpenTrace): void {
    const row: TraceItem = { kind: 'trace', trace };
    this.item.command = { command: 'packetTrail.showTrace', title: 'Show Trace', arguments: [row] };
    const { text, tooltip, warn } = statusText(summary);
    this.item.text = text;
    this.item.tooltip = tooltip;
    this.item.accessibilityInformation = { label: tooltip };
    this.item.backgroundColor = warn ? new vscode.ThemeColor('statusBarItem.warningBackground') : undefined;
    this.item.show();
  }

  hide(): void {
    this.item.hide();
  }

  dispose(): void {
    this.item.dispose();
  }
}
