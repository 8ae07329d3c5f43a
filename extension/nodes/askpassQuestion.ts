// What goes through the pipe between the program that ssh runs to ask something (askpass.ts) and the extension (askpassServer.ts).

/** Environment of that program: where to ask, and what shows that it may. */
export const askpassPipe = 'PACKET_TRAIL_ASKPASS_PIPE';
export const askpassToken = 'PACKET_TRAIL_ASKPASS_TOKEN';

/** A question of ssh, as JSON. The answer is a JSON text, or null for a refusal. */
export interface AskpassQuestion {
  readonly token: string;
  readonly prompt: string;
  /** SSH_ASKPASS_PROMPT: "confirm" wants a yes, "none" only tells something until ssh ends the program; empty wants a text. */
  readonly hint: string;
}
