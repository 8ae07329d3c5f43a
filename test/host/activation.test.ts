// The extension starts in a real extension host and is what its manifest says.
import * as assert from 'node:assert/strict';
import * as vscode from 'vscode';

/** The parts of package.json that these tests hold the running extension to. */
interface Manifest {
  readonly contributes: { readonly commands: readonly { readonly command: string }[] };
}

function extension(): vscode.Extension<unknown> {
  const found = vscode.extensions.getExtension('packet-trail.packet-trail');
  assert.ok(found, 'VS Code does not know the extension');
  return found;
}

suite('extension', () => {
  test('it activates', async () => {
    await extension().activate();
    assert.equal(extension().isActive, true);
  });

  test('every command that it contributes is registered', async () => {
    await extension().activate();
    const contributed = (extension().packageJSON as Manifest).contributes.commands.map(({ command }) => command);
    const registered = new Set(await vscode.commands.getCommands(true));
    assert.ok(contributed.length > 0);
    assert.deepEqual(
      contributed.filter((command) => !registered.has(command)),
      [],
    );
  });
});
