// The two rows above the lanes: what is traced and how it goes, and what can be done with it.
import type { TraceStatus, TraceSummary } from '../extension/protocol/timeline.ts';
import { CaptureBox } from './captureBox.ts';
import { createButton, createSearchField, type Button } from './controls.ts';
import { el, setText } from './dom.ts';
import { formatClock, formatCount, formatShare, plural } from './format.ts';
import { leftText, Pace } from './pace.ts';

/** What its buttons and fields ask for. */
export interface ToolbarActions {
  stop(): void;
  pause(paused: boolean): void;
  save(): void;
  follow(on: boolean): void;
  fit(): void;
  zoom(factor: number): void;
  filter(text: string): void;
  leaveFilter(): void;
  /** Captures by another packet filter; resolves with why it was refused, empty when it is in force. */
  capture(expression: string): Promise<string>;
}

const statusText: Readonly<Record<TraceStatus, string>> = {
  starting: 'Starting',
  live: 'Live',
  paused: 'Paused',
  ended: 'Ended',
  failed: 'Failed',
  file: 'Saved trace',
};

interface Figure {
  readonly element: HTMLElement;
  readonly value: HTMLElement;
  readonly label: HTMLElement;
}

function figure(name: string): Figure {
  const value = el('span', { class: 'figure-value' });
  const label = el('span', { class: 'figure-label' });
  return { element: el('span', { class: `figure ${name}` }, value, ' ', label), value, label };
}

/** The pane above the lanes. */
export class Toolbar {
  readonly element: HTMLElement;
  private readonly dot = el('span', { class: 'status-dot', attributes: { 'aria-hidden': 'true' } });
  private readonly status = el('span', { class: 'status-text', attributes: { role: 'status' } });
  private readonly node = el('span', { class: 'node' });
  private readonly capture: CaptureBox;
  private readonly leftOut = el('span', { class: 'left-out', text: 'without its own SSH connection' });
  private readonly kernel = el('span', { class: 'kernel' });
  private readonly figures = {
    events: figure('events'),
    packets: figure('packets'),
    drops: figure('drops'),
    lost: figure('lost'),
    missed: figure('missed'),
    rate: figure('rate'),
    overhead: figure('overhead'),
    hooked: figure('hooked'),
  };
  private readonly hooking = new Pace();
  private readonly hint = el('span', { class: 'filter-hint', attributes: { role: 'status' } });
  private readonly buttons: Readonly<Record<'pause' | 'stop' | 'save' | 'follow', Button>>;
  private readonly search;
  private paused = false;
  private following = false;

  constructor(actions: ToolbarActions) {
    this.capture = new CaptureBox((expression) => actions.capture(expression));
    this.buttons = {
      pause: createButton({
        icon: 'pause',
        label: 'Pause',
        title: 'Pause the trace: hooks stay attached, events are not sent',
        onClick: () => actions.pause(!this.paused),
      }),
      stop: createButton({
        icon: 'stop',
        label: 'Stop',
        title: 'Stop the trace and detach every hook',
        onClick: () => actions.stop(),
      }),
      save: createButton({
        icon: 'save',
        label: 'Save…',
        title: 'Save the trace to a file',
        onClick: () => actions.save(),
      }),
      follow: createButton({
        icon: 'follow',
        label: 'Follow live',
        title: 'Keep the newest events in view (L)',
        onClick: () => actions.follow(!this.following),
      }),
    };
    this.search = createSearchField({
      label: 'Filter packets by text',
      placeholder: 'Filter packets (/)',
      onInput: (text) => actions.filter(text),
      onLeave: () => actions.leaveFilter(),
    });
    const zoom = [
      createButton({ icon: 'minus', title: 'Zoom out (−)', onClick: () => actions.zoom(2) }),
      createButton({ icon: 'plus', title: 'Zoom in (+)', onClick: () => actions.zoom(0.5) }),
      createButton({ icon: 'fit', title: 'Show the whole trace (F)', onClick: () => actions.fit() }),
    ];
    const { events, packets, drops, lost, missed, rate, overhead, hooked } = this.figures;
    this.element = el(
      'header',
      { class: 'toolbar' },
      el(
        'div',
        { class: 'toolbar-row' },
        el('span', { class: 'status' }, this.dot, this.status),
        this.node,
        this.capture.element,
        this.leftOut,
        this.kernel,
        el('span', { class: 'spacer' }),
        el(
          'span',
          { class: 'figures' },
          hooked.element,
          overhead.element,
          rate.element,
          events.element,
          packets.element,
          drops.element,
          lost.element,
          missed.element,
        ),
      ),
      el(
        'div',
        { class: 'toolbar-row' },
        this.search.element,
        this.hint,
        el('span', { class: 'spacer' }),
        el('span', { class: 'button-group' }, ...zoom.map(({ element }) => element)),
        this.buttons.follow.element,
        el(
          'span',
          { class: 'button-group' },
          this.buttons.pause.element,
          this.buttons.stop.element,
          this.buttons.save.element,
        ),
      ),
    );
  }

  update(summary: TraceSummary): void {
    const { status } = summary;
    const running = status === 'live' || status === 'paused' || status === 'starting';
    this.dot.dataset['status'] = status;
    setText(this.status, statusText[status]);
    setText(this.node, summary.node);
    this.node.hidden = summary.node === '';
    this.node.title = `Node ${summary.node}`;
    this.capture.update(summary.filter, summary.expression, status === 'live' || status === 'paused');
    this.leftOut.hidden = summary.leftOut === '';
    this.leftOut.title =
      `Packets of the connection that carries the trace are left out (${summary.leftOut}); ` +
      'the setting packetTrail.trace.ownConnection has them traced, too';
    setText(this.kernel, summary.kernel === '' ? '' : `Linux ${summary.kernel}`);
    this.showHooking(summary);
    const skipped = summary.hooksSkipped > 0 ? `, ${formatCount(summary.hooksSkipped)} skipped` : '';
    this.kernel.title = `${plural(summary.hooksAttached, 'hook')} attached${skipped}`;
    const { events, packets, drops, lost, missed, rate, overhead } = this.figures;
    const set = (each: Figure, count: number, one: string, many = `${one}s`): void => {
      setText(each.value, formatCount(count));
      setText(each.label, count === 1 ? one : many);
    };
    set(events, summary.events, 'event');
    set(packets, summary.packets, 'packet');
    set(drops, summary.drops, 'drop');
    drops.element.classList.toggle('some', summary.drops > 0);
    set(lost, summary.lost, 'lost', 'lost');
    lost.element.classList.toggle('some', summary.lost > 0);
    lost.element.title = `${formatShare(summary.lost, summary.lost + summary.events)} of all events were counted as lost`;
    set(missed, summary.missed, 'hit unseen', 'hits unseen');
    missed.element.hidden = summary.missed === 0;
    missed.element.title =
      'Hits of hooks in an interrupt of another hook, which the kernel runs no program for. They are of whatever packets; ' +
      'a trail of this trace may miss hops by them';
    set(rate, summary.eventsPerSecond, 'event/s', 'events/s');
    rate.element.hidden = status !== 'live';
    overhead.element.hidden = summary.overhead === undefined;
    setText(overhead.value, formatShare(summary.overhead ?? 0, 1));
    setText(overhead.label, 'of a core');
    overhead.element.title = 'BPF run time of this trace on the node';
    if (summary.startMs > 0) events.element.title = `First event at ${formatClock(summary.startMs)}`;
    this.paused = status === 'paused';
    this.buttons.pause.setVisible(running);
    this.buttons.pause.setEnabled(status !== 'starting');
    this.buttons.pause.setLabel(this.paused ? 'Resume' : 'Pause', this.paused ? 'resume' : 'pause');
    this.buttons.stop.setVisible(running);
    this.buttons.save.setVisible(status !== 'file');
    this.buttons.save.setEnabled(summary.events > 0);
    this.buttons.follow.setVisible(running);
  }

  /** How far attaching is: functions pass packets unseen until they are hooked. */
  private showHooking({ hooksAttached: done, hooksWaiting: waiting }: TraceSummary): void {
    const { element, value, label } = this.figures.hooked;
    element.hidden = waiting === 0;
    if (waiting === 0) return;
    const ms = this.hooking.next(waiting, performance.now());
    setText(value, `${formatCount(done)} of ${formatCount(done + waiting)}`);
    setText(label, ms === undefined ? 'hooked' : `hooked, ${leftText(ms)}`);
    element.title =
      'Functions are being hooked, the most telling first. What passes the others is not seen until they are.';
  }

  setFollowing(on: boolean): void {
    this.following = on;
    this.buttons.follow.setPressed(on);
  }

  /** What the filter found; `error` when the host could not use it. */
  setFilterState(text: string, matches: number, packets: number, error: string | undefined): void {
    const found =
      text === ''
        ? ''
        : matches === 0
          ? 'No packet matches'
          : `${formatCount(matches)} of ${plural(packets, 'packet')}`;
    setText(this.hint, error ?? found);
    this.hint.classList.toggle('bad', error !== undefined || (text !== '' && matches === 0));
    this.search.setInvalid(error !== undefined);
  }

  set filter(text: string) {
    this.search.value = text;
  }

  focusFilter(): void {
    this.search.focus();
  }
}
