// Asks the person what a connection needs to know, through VS Code's own inputs. Answers are used once and never kept.
import * as vscode from 'vscode';
import type { Prompter } from '../nodes/node.ts';
import { notice, visible } from '../protocol/plainText.ts';

/** The prompter of the user interface. */
export class WindowPrompter implements Prompter {
  async password(request: { readonly node: string; readonly prompt: string }): Promise<string | undefined> {
    return await secret(`Packet Trail: ${request.node}`, request.prompt);
  }

  async passphrase(request: { readonly node: string; readonly keyFile: string }): Promise<string | undefined> {
    return await secret(`Packet Trail: ${request.node}`, `Passphrase of the key ${request.keyFile}`);
  }

  async answers(request: Parameters<Prompter['answers']>[0]): Promise<readonly string[] | undefined> {
    const answers: string[] = [];
    for (const { prompt, echo } of request.prompts) {
      // The server's words, before it has let anybody in.
      const answer = await vscode.window.showInputBox({
        title: `Packet Trail: ${visible(request.name) || request.node}`,
        prompt: notice([request.instructions, prompt].filter(Boolean).join(' ')),
        password: !echo,
        ignoreFocusOut: true,
      });
      if (answer === undefined) return undefined;
      answers.push(answer);
    }
    return answers;
  }

  async trustHostKey(request: Parameters<Prompter['trustHostKey']>[0]): Promise<boolean> {
    const trust = 'Trust and Connect';
    const answer = await vscode.window.showWarningMessage(
      `The identity of ${request.host} is not known yet.`,
      {
        modal: true,
        detail:
          `Its ${request.keyType} key has the fingerprint ${request.fingerprint}. ` +
          `Compare it with the one that the machine's administrator gives you. ` +
          `It is added to your known_hosts file when you trust it.` +
          (request.authority === undefined
            ? ''
            : ` ${request.authority}, lists a certificate authority for it, but Packet Trail reads no certificates of hosts.`),
      },
      trust,
    );
    return answer === trust;
  }
}

async function secret(title: string, prompt: string): Promise<string | undefined> {
  return await vscode.window.showInputBox({ title, prompt: notice(prompt), password: true, ignoreFocusOut: true });
}
