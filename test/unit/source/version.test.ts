// The source that a node's kernel was built from is known from what uname says, and offered online for that version.
import { describe, expect, test } from 'vitest';
import { defaultOnlineSource, onlineAddress } from '../../../extension/source/online.ts';
import { makefileVersion } from '../../../extension/source/tree.ts';
import { compareVersions, nodeVersion, versionTag, versionText } from '../../../extension/source/version.ts';

const debian6_1 = '#1 SMP PREEMPT_DYNAMIC Debian 6.1.170-1 (2026-05-01)';

describe('the source version of a node', () => {
  test.each([
    [
      '6.12.117+deb12-cloud-amd64',
      '#1 SMP PREEMPT_DYNAMIC Debian 6.12.117-1~deb12u1 (2026-10-01)',
      '6.12.117',
      'v6.12.117',
    ],
    ['6.1.0-49-cloud-amd64', debian6_1, '6.1.170', 'v6.1.170'],
    ['6.1.0-49-cloud-amd64', '', '6.1.x', 'v6.1'],
    ['6.8.0-45-generic', '#45-Ubuntu SMP PREEMPT_DYNAMIC Fri Aug 30 12:02:04 UTC 2024', '6.8.x', 'v6.8'],
    ['6.12.9-arch1-1', '', '6.12.9', 'v6.12.9'],
    ['6.13.0', '', '6.13', 'v6.13'],
    ['6.13.0-rc2', '', '6.13-rc2', 'v6.13-rc2'],
    ['6.13.0-0.rc3.20241217gitf44d154d6e3d.30.fc42.x86_64', '', '6.13-rc3', 'v6.13-rc3'],
    ['7.2-rc1', '', '7.2-rc1', 'v7.2-rc1'],
  ])('%s (%s) is %s', (release, version, text, tag) => {
    const found = nodeVersion({ release, machine: 'x86_64', version });
    expect(found && versionText(found)).toBe(text);
    expect(found && versionTag(found)).toBe(tag);
  });

  test('is not known from what is no kernel release', () => {
    for (const release of ['', 'unknown', 'six.twelve', '\0'.repeat(5000)]) {
      expect(nodeVersion({ release, machine: '' })).toBeUndefined();
    }
  });

  test('agrees with a tree of the same version, and tells near from other ones', () => {
    const tree = makefileVersion('# SPDX\nVERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 117\nEXTRAVERSION =\nNAME = X\n');
    const distance = (release: string, version = ''): string | undefined => {
      const node = nodeVersion({ release, machine: '', version });
      return tree && node && compareVersions(tree, node);
    };
    expect(distance('6.12.117+deb12-cloud-amd64')).toBe('same');
    expect(distance('6.12.0-1-amd64')).toBe('same');
    expect(distance('6.12.90')).toBe('near');
    expect(distance('6.1.0-49-amd64', debian6_1)).toBe('other');
  });
});

describe('the online cross-reference', () => {
  const kernel = { release: '6.12.117+deb12-cloud-amd64', machine: 'x86_64' };

  test("is that of the node's version and the function's name in the source", () => {
    expect(onlineAddress(defaultOnlineSource, 'ip_rcv.isra.0', kernel)).toBe(
      'https://elixir.bootlin.com/linux/v6.12.117/A/ident/ip_rcv',
    );
    expect(onlineAddress(defaultOnlineSource, 'skb:kfree_skb', kernel)).toMatch(/\/trace_kfree_skb$/);
    expect(onlineAddress(defaultOnlineSource, 'ip_rcv', { release: '?', machine: '' })).toMatch(/\/latest\//);
  });

  test('comes from the template in the settings, which must be an http(s) address', () => {
    expect(onlineAddress('http://localhost:1/{function}?v={version}', 'ip_rcv', kernel)).toBe(
      'http://localhost:1/ip_rcv?v=v6.12.117',
    );
    for (const template of ['', 'command:{function}', 'file:///{function}', 'not an address']) {
      expect(onlineAddress(template, 'ip_rcv', kernel)).toBeUndefined();
    }
  });

  test('a hostile name stays inside its place in the address', () => {
    expect(onlineAddress(defaultOnlineSource, '/../../x?y#z', kernel)).not.toMatch(/\/\.\.\/|\?y|#z/);
  });
});
