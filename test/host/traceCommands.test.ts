// Commands without an argument in a real VS Code: what they mean is the trace in front.
import * as assert from 'node:assert/strict';
import { fileCommands } from '../../extension/commands/fileCommands.ts';
import type { Command } from '../../extension/commands/registry.ts';
import { traceCommands } from '../../extension/commands/traceCommands.ts';
import { Emitter } from '../../extension/sessions/emitter.ts';
import { ShownTraces } from '../../extension/sessions/shownTraces.ts';
import { Traces, type OpenTrace } from '../../extension/sessions/traces.ts';
import { everyPacket } from '../../extension/sessions/traceFilter.ts';
import type { TraceSource } from '../../extension/trace/source.ts';

suite('commands about a trace', () => {
  let traces: Traces;
  let shown: ShownTraces;
  let commands: readonly Command[];
  const stopped: string[] = [];
  const brought: string[] = [];

  setup(() => {
    traces = new Traces('/nonexistent');
    shown = new ShownTraces();
    stopped.length = brought.length = 0;
    const panels = { show: ({ source }: OpenTrace) => void brought.push(source.title) };
    const at = { traces, shown, panels } as unknown as Parameters<typeof traceCommands>[0] &
      Parameters<typeof fileCommands>[0];
    commands = [...traceCommands(at), ...fileCommands(at)];
  });
  teardown(() => {
    traces.dispose();
    shown.dispose();
  });

  function fakeTrace(title: string, status: string): OpenTrace {
    const stop = (): Promise<void> => Promise.resolve(void stopped.push(title));
    const source = { title, status, stop, onChange: new Emitter().on } as unknown as TraceSource;
    const trace: OpenTrace = {
      source,
      recording: `/nonexistent/${title}`,
      started: { target: 'node', filter: everyPacket },
      saveTo: () => Promise.resolve(),
      dispose: () => undefined,
    };
    traces.add(trace);
    return trace;
  }

  const run = async (id: string, argument?: unknown): Promise<void> => {
    const command = commands.find((one) => one.id === id) ?? assert.fail(id);
    assert.equal(command.unavailable?.(argument), undefined);
    await command.run(argument);
  };
  const show = (trace: OpenTrace): void => shown.open(trace, { source: trace.source, trace, uri: undefined }, true);

  test('Stop in the tab of a trace stops that one, and no other when it has ended', async () => {
    const [old, one, two] = [fakeTrace('old', 'ended'), fakeTrace('one', 'live'), fakeTrace('two', 'live')];
    show(one);
    await run('stopTrace');
    assert.deepEqual(stopped, ['one']);
    show(old);
    await run('stopTrace');
    shown.open(
      {},
      { source: { title: 'file', status: 'file' } as TraceSource, trace: undefined, uri: 'file:///f' },
      true,
    );
    await run('stopTrace');
    assert.deepEqual(stopped, ['one']);
    await run('stopTrace', { kind: 'trace', trace: two });
    assert.deepEqual(stopped, ['one', 'two']);
  });

  test('Stop where no trace is in front stops the only one that runs', async () => {
    fakeTrace('old', 'ended');
    const one = fakeTrace('one', 'live');
    show(one);
    shown.activate(one, false);
    await run('stopTrace');
    assert.deepEqual(stopped, ['one']);
  });

  test('Show brings the trace of its argument, as the status bar gives it, to the front', async () => {
    const [one, two] = [fakeTrace('one', 'live'), fakeTrace('two', 'live')];
    show(two);
    await run('showTrace', { kind: 'trace', trace: one });
    assert.deepEqual(brought, ['one']);
  });

  test('commands say why they can’t run', () => {
    const why = (id: string, argument?: unknown): string =>
      commands.find((one) => one.id === id)?.unavailable?.(argument) ?? '';
    // One that an earlier window left needs no trace of this one.
    assert.equal(why('saveTraceAs', { kind: 'recording', recording: { path: '/nonexistent/a.pkttrail' } }), '');
    for (const id of ['showTrace', 'saveTraceAs']) assert.match(why(id), /There is no trace yet/);
    assert.match(why('stopTrace'), /No trace is running/);
    shown.open({}, { source: {} as TraceSource, trace: undefined, uri: 'file:///f' } as const, false);
    assert.equal(why('saveTraceAs'), '');
    assert.match(why('showTrace'), /There is no trace yet/);
  });
});
