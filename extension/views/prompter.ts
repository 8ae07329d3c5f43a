// Asks the person what a connection needs to know, through VS Code's own inputs. Answers are used once and never kept; a question goes away
// with the attempt that asks it.
import * as vscode from 'vscode';
import type { HostKeyQuestion, Prompter, Question, ServerQuestion } from '../nodes/node.ts';
import { notice } from '../protocol/plainText.ts';
import { withToken } from './abortSignal.ts';

/** The prompter of the user interface. */
export class WindowPrompter implements Prompter {
  async password(question: Question & { readonly prompt: string }): Promise<string | undefined> {
    return await input(question, question.prompt, true);
  }

  async passphrase(question: Question & { readonly keyFile: string }): Promise<string | undefined> {
    return await input(question, `Passphrase of the key ${question.keyFile}`, true);
  }

  async answers(question: ServerQuestion): Promise<readonly string[] | undefined> {
    const answers: string[] = [];
    for (const { prompt, echo } of question.prompts) {
      // Said before the server has let anybody in: words of whoever answers there, and marked as that.
      const words = [question.name, question.instructions, prompt].map((text) => text.trim()).filter(Boolean);
      const answer = await input(question, `${question.node} says: “${words.join(' ')}”`, !echo);
      if (answer === undefined) return undefined;
      answers.push(answer);
    }
    return answers;
  }

  async trustHostKey(question: HostKeyQuestion): Promise<boolean> {
    const { node, host, keyType, fingerprint, authority, signal } = question;
    const trust = {
      label: 'Trust and Connect',
      description: `adds its ${keyType} key to known_hosts`,
      // On a line of its own, where nothing cuts it.
      detail: fingerprint,
    };
    const decline =
      authority === undefined
        ? { label: 'Do Not Connect' }
        : {
            label: 'Do Not Connect',
            detail: `${authority}, lists a certificate authority for it: packetTrail.sshClient "system" reads certificates.`,
          };
    const answer = await withToken(signal, (token) =>
      vscode.window.showQuickPick(
        [decline, trust],
        {
          title: title(node),
          placeHolder: `The identity of ${host} is not known yet: compare the fingerprint with one from a source you trust`,
          ignoreFocusOut: true,
        },
        token,
      ),
    );
    return answer === trust;
  }
}

const title = (node: string): string => `Packet Trail: ${node}`;

async function input({ node, signal }: Question, prompt: string, password: boolean): Promise<string | undefined> {
  const options = { title: title(node), prompt: notice(prompt), password, ignoreFocusOut: true };
  return await withToken(signal, (token) => vscode.window.showInputBox(options, token));
}
