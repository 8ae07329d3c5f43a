// A person's way through Packet Trail in a real VS Code.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { extensionPackage } from './extensionPackage.ts';
import { type VSCodeServer, startVSCodeServer } from './vscodeServer.ts';
import { Workbench } from './workbench.ts';

describe('Packet Trail in VS Code', () => {
  let folder: string;
  let server: VSCodeServer | undefined;
  let workbench: Workbench | undefined;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'packet-trail-e2e-'));
    server = await startVSCodeServer({ extensions: [await extensionPackage()] });
    workbench = await Workbench.open({ server, folder });
  });

  afterAll(async () => {
    await workbench?.close();
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test('the palette offers its commands', async () => {
    expect(await workbench?.paletteLabels('Packet Trail')).toEqual(
      expect.arrayContaining(['Packet Trail: Start Trace', 'Packet Trail: Open Trace…', 'Packet Trail: Add Node…']),
    );
  });
});
