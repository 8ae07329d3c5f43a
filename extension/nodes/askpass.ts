// The program that ssh runs to ask a person something (SSH_ASKPASS of ssh(1)): hands the question to the extension, and the answer to ssh.
// It runs for itself, in a process of its own. What it is told goes through a pipe, never through a file or an argument.
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { askpassPipe, askpassToken, type AskpassQuestion } from './askpassQuestion.ts';

/** Asks; resolves with the exit status that ssh is to see. An answer is printed, none is a refusal. */
async function ask(): Promise<number> {
  const { [askpassPipe]: path = '', [askpassToken]: token = '', SSH_ASKPASS_PROMPT: hint = '' } = process.env;
  const question: AskpassQuestion = { token, prompt: process.argv.slice(2).join(' '), hint };
  const socket = connect({ path, allowHalfOpen: true });
  socket.end(JSON.stringify(question));
  const reply: unknown = JSON.parse(await text(socket));
  if (typeof reply !== 'string') return 1;
  process.stdout.write(`${reply}\n`);
  return 0;
}

ask().then(
  (status) => {
    process.exitCode = status;
  },
  () => {
    process.exitCode = 1; // Whoever asked has gone.
  },
);
