// The extension starts in a real extension host and is what its manifest says.
import * as assert from 'node:assert/strict';
import * as vscode from 'vscode';
import { openHook, type Sources } from '../../extension/commands/openHook.ts';
import type { Hook } from '../../extension/trace/metadata.ts';
import type { TraceSource } from '../../extension/trace/source.ts';

/** The parts of package.json that these tests hold the running extension to. */
interface Manifest {
  readonly capabilities: { readonly untrustedWorkspaces: { readonly restrictedConfigurations: readonly string[] } };
  readonly contributes: {
    readonly commands: readonly { readonly command: string }[];
    readonly configuration: { readonly properties: Readonly<Record<string, object>> };
  };
}

function extension(): vscode.Extension<unknown> {
  const found = vscode.extensions.getExtension('packet-trail.packet-trail');
  assert.ok(found, 'VS Code does not know the extension');
  return found;
}

const manifest = (): Manifest => extension().packageJSON as Manifest;

suite('extension', () => {
  test('it activates', async () => {
    await extension().activate();
    assert.equal(extension().isActive, true);
  });

  test('every command that it contributes is registered', async () => {
    await extension().activate();
    const contributed = manifest().contributes.commands.map(({ command }) => command);
    const registered = new Set(await vscode.commands.getCommands(true));
    assert.ok(contributed.length > 0);
    assert.deepEqual(
      contributed.filter((command) => !registered.has(command)),
      [],
    );
  });

  test('an untrusted workspace names no file, program or address, and opens no source of a saved trace', async () => {
    // What a trace shows, and how much it costs the node, is all that a workspace may say before it is trusted.
    assert.deepEqual(
      Object.keys(manifest().contributes.configuration.properties)
        .filter((name) => !name.startsWith('packetTrail.trace.'))
        .sort(),
      [...manifest().capabilities.untrustedWorkspaces.restrictedConfigurations].sort(),
    );
    const asked: string[] = [];
    const kernel = { openHook: () => Promise.resolve(asked.push('kernel')) };
    const programs = { open: () => Promise.resolve(asked.push('programs')) };
    const queries = {
      programOf: () => Promise.resolve(undefined),
      sharesName: () => Promise.resolve(false),
      kernel: () => Promise.resolve({}),
    };
    const open = (gate: () => string | undefined): Promise<string> =>
      openHook(
        { kernel, programs } as unknown as Sources,
        { queries } as unknown as TraceSource,
        {} as Hook,
        { beside: false },
        gate,
      );
    assert.match(await open(() => 'This needs a trusted workspace.'), /trusted/);
    assert.deepEqual(asked, []);
    await open(() => undefined);
    assert.deepEqual(asked, ['kernel']);
  });
});
