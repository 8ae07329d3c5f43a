// What things are called on a node is shown and never obeyed, whatever bytes a name is made of; what can’t be shown is told.
import { beforeAll, describe, expect, test } from 'vitest';
import { helperPath, quote, trace, trails } from '../tracing.ts';
import type { Suite } from './suite.ts';

/**
 * What clears a terminal, is no UTF-8, turns round what follows, and looks like an escape; in the names of files, and of processes, an
 * end of a line, too. As the node's printf makes them, as a terminal gets them, and as JSON and the stream have them.
 */
const iface = {
  made: String.raw`\033[2J\377\342\200\256\\`,
  shown: String.raw`\x1b[2J\xff\u202e\\`,
  text: '\x1b[2J\ufffd\u202e\\',
};
const file = {
  made: String.raw`\033[2J\n\377\342\200\256\\`,
  shown: String.raw`\x1b[2J\n\xff\u202e\\`,
  text: '\x1b[2J\n\ufffd\u202e\\',
};

/** Characters that a terminal obeys, or doesn't show. */
const unseen = /[\p{Cc}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;
/** Sets the shell's variables to the names. */
const called = `dev=$(printf ${quote(iface.made)}) name=$(printf ${quote(file.made)})`;

interface Line {
  readonly comm: string;
  readonly netns_name: string;
  readonly interface: string;
}

/** All of it in the matrix alone: the pure parts have their tests. */
export const text: Suite = (_kernel, booted) => {
  const few = ['ip_output', '__dev_queue_xmit', 'icmp_rcv'].flatMap((name) => ['--function', name]);
  const ping = `ip netns exec "$name" "/tmp/$name" -n -q -c 2 -i 0.2 -W 5 10.11.0.2 >/dev/null`;

  /** The file's lines; bytes that are no UTF-8 fail. */
  const lines = async (path: string): Promise<readonly string[]> => {
    const { stdout } = await booted().exec(`base64 ${path}`);
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(stdout, 'base64'));
    return text.replace(/\n$/, '').split('\n');
  };

  describe('of an interface, a namespace and a process', () => {
    beforeAll(async () => {
      const { code, stderr } = await booted().exec(
        `set -e; ${called}
         ip netns add "$name"
         ip netns add names-peer
         ip link add name "$dev" netns "$name" type veth peer name eth0 netns names-peer
         ip -n "$name" address add 10.11.0.1/24 dev "$dev"
         ip -n "$name" link set dev "$dev" up
         ip -n names-peer address add 10.11.0.2/24 dev eth0
         ip -n names-peer link set dev eth0 up
         ln -s /usr/bin/ping "/tmp/$name"
         ${ping}`,
      );
      expect(code, stderr).toBe(0);
      return async () => {
        await booted().exec(`${called}; ip netns delete "$name"; ip netns delete names-peer; rm -f "/tmp/$name"`);
      };
    });

    test('lines and JSON are text that a terminal only shows', async () => {
      const start = (form: string, into: string): string =>
        `${[helperPath, ...(form === '' ? [] : [form]), '--duration', '60', '--no-programs', ...few, 'icmp'].map(quote).join(' ')} \\
           >${into} 2>${into}.said & helpers="$helpers $!"
         until grep -q live: ${into}.said; do sleep 0.1; done`;
      const { code, stderr } = await booted().exec(
        `${called}
         ${start('', '/tmp/names.lines')}
         ${start('--json', '/tmp/names.json')}
         ${ping}; code=$?
         kill -INT $helpers; wait; exit $code`,
        { timeoutMs: 120_000 },
      );
      expect(code, stderr).toBe(0);

      const shown = await lines('/tmp/names.lines');
      expect(shown.length).toBeGreaterThan(2);
      for (const line of shown) {
        expect(line).not.toMatch(unseen);
        expect(line).toMatch(/^\d\d:\d\d:\d\d\.\d{9} /);
      }
      expect(shown.join('\n')).toContain(` ${file.shown} ${iface.shown} #`);
      expect(shown.join('\n')).toMatch(/ names-peer {3}eth0 {12}#\d+ +icmp_rcv {25}ICMP 10\.11\.0\.1 > /);

      const written = await lines('/tmp/names.json');
      expect(written.length).toBeGreaterThan(2);
      for (const line of written) expect(line).not.toMatch(unseen);
      const events = written.map((line) => JSON.parse(line) as Line);
      expect(events.map(({ comm }) => comm)).toContain(file.text);
      const away = events.filter(({ netns_name }) => netns_name === file.text);
      expect(away.map((event) => event.interface)).toContain(iface.text);

      for (const said of ['/tmp/names.lines.said', '/tmp/names.json.said'])
        for (const line of await lines(said)) expect(line).toMatch(/^packet-trail-helper: /);
    });

    test('a timeline has them as they are shown', async () => {
      const running = await trace(booted(), ['--no-programs', ...few, 'icmp']);
      const { code, stderr } = await booted().exec(`${called}; ${ping}`);
      expect(code, stderr).toBe(0);
      await running.stop();
      const hops = trails(running.store).flat();
      // The stream has U+FFFD where a byte was none of a character; a backslash is a backslash.
      expect(hops.map(({ netns }) => netns)).toContain('\\x1b[2J\\n\ufffd\\u202e\\');
      expect(hops.map((hop) => hop.iface)).toContain('\\x1b[2J\ufffd\\u202e\\');
    });

    test('an interface is found by its name, and by none that only looks like it', async () => {
      const asked = (how: string): Promise<{ readonly code: number | null; readonly stderr: string }> =>
        booted().exec(
          `${called}; ${helperPath} --no-programs --function icmp_rcv --duration 1 --netns "$name" --interface ${how} icmp`,
        );
      const found = await asked('"$dev"');
      expect(found.code, found.stderr).toBe(0);
      const none = await asked(quote(iface.shown));
      expect(none.code).toBe(2);
      expect(none.stderr).toContain(String.raw`--interface \\x1b[2J\\xff\\u202e\\\\ (`);
    });
  });

  test('what can’t be written is told, counted, and no success', async () => {
    const { stdout } = await booted().exec(
      `cd /tmp; mkfifo silent; exec 9<>silent
       ping -n -q -i 0.2 127.0.0.1 >/dev/null & ping=$!
       for form in '' --json --stream; do
         ${helperPath} $form --no-programs ${few.join(' ')} icmp <&9 >/dev/full 2>full.said; echo "trace $form: $?"; cat full.said
       done
       for task in --version --list-hooks; do
         ${helperPath} $task >/dev/full 2>full.said; echo "$task: $?"; tail -n 1 full.said
       done
       ${helperPath} --no-programs ${few.join(' ')} icmp 2>head.said | head -n 1 >/dev/null; cat head.said
       kill -INT $ping; rm -f silent full.said head.said`,
      { timeoutMs: 120_000 },
    );
    const events =
      /can't write the events: standard output \(No space left on device\): give it room, or send them elsewhere$/m;
    const lost = /ended \(error\): 0 events of [1-9]\d* packets, [1-9]\d* lost$/m;
    const [lines, json, stream, ...tasks] = stdout.split(/^(?=trace |--)/m);
    expect(lines).toMatch(/^trace : 1\n/);
    expect(json).toMatch(/^trace --json: 1\n/);
    for (const said of [lines, json]) {
      expect(said).toMatch(events);
      expect(said).toMatch(lost);
    }
    expect(stream).toMatch(/^trace --stream: 1\n/);
    expect(stream).toMatch(events);
    for (const said of tasks)
      expect(said).toMatch(
        /^--[a-z-]+: 1\n.*: can't write: standard output \(No space left on device\): give it room, /,
      );
    expect(tasks).toHaveLength(2);
    expect(stdout).toMatch(/ended \(stdout closed\): \d+ events of \d+ packets, 0 lost\n$/);
  });

  test('messages, lists and checks repeat an argument and never obey it', async () => {
    const { stdout } = await booted().exec(
      `${called}
       cd /tmp; printf 'no ELF, no BTF' >"$name"
       for way in '--check' '--check --json' '--list-hooks' '--verbose --list-hooks'; do
         ${helperPath} $way --btf "$name" 2>&1
       done >/tmp/names.said
       ${helperPath} --netns "$name-none" >>/tmp/names.said 2>&1
       ${helperPath} "--$name" >>/tmp/names.said 2>&1
       ${helperPath} --check-filter "$name" >>/tmp/names.said 2>&1
       rm -f "/tmp/$name"; echo done`,
    );
    expect(stdout).toBe('done\n');
    const said = await lines('/tmp/names.said');
    for (const line of said) expect(line).not.toMatch(unseen);
    const all = said.join('\n');
    for (const part of [`fail  btf: ${file.shown}: `, `no BTF: ${file.shown} (`, `--netns ${file.shown}-none (`])
      expect(all).toContain(part);
    expect(all).toContain(String.raw`"detail":"\u001b[2J\u000a\ufffd\u202e\\: `);
    expect(all).toMatch(/^libbpf: .*\\x1b\[2J/m);
    expect(all).toContain(`unknown option: --${file.shown}: `);
    expect(all).toContain(`bad filter: ${file.shown}: `);
  });
};
