// The address of an online cross-reference for one function of one kernel version. It is offered to the person; nothing here
// or anywhere in the extension fetches it.
import { nodeVersion, versionTag, type NodeKernel } from './version.ts';

/** The default of the setting `packetTrail.onlineSource`. */
export const defaultOnlineSource = 'https://elixir.bootlin.com/linux/{version}/A/ident/{function}';

/**
 * Fills a template's {version} (a git tag, "v6.12.117"; "latest" when the node's release tells none) and {function}.
 * Undefined when the template is no http(s) address.
 */
export function onlineAddress(template: string, name: string, kernel: NodeKernel): string | undefined {
  const version = nodeVersion(kernel);
  // A tracepoint "skb:kfree_skb" is known to a cross-reference by the function that the kernel calls.
  const event = /^\w+:(\w+)$/.exec(name)?.[1];
  const identifier = event === undefined ? name.replace(/\..*$/s, '') : `trace_${event}`;
  const address = template
    .replaceAll('{version}', encodeURIComponent(version === undefined ? 'latest' : versionTag(version)))
    .replaceAll('{function}', encodeURIComponent(identifier));
  try {
    const { protocol } = new URL(address);
    return protocol === 'https:' || protocol === 'http:' ? address : undefined;
  } catch {
    return undefined;
  }
}
