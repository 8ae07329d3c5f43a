// The HTML shell of the timeline: a strict content security policy and two files; all else is drawn by the webview's code.
import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';

/** What the timeline may load: nothing but the extension's own bundle. */
export function timelineOptions(extensionUri: vscode.Uri): vscode.WebviewOptions {
  return { enableScripts: true, enableForms: false, localResourceRoots: [timelineRoot(extensionUri)] };
}

function timelineRoot(extensionUri: vscode.Uri): vscode.Uri {
  return vscode.Uri.joinPath(extensionUri, 'dist', 'webview');
}

/** The page; `title` is what a screen reader announces. */
export function timelineHtml(webview: vscode.Webview, extensionUri: vscode.Uri): string {
  const nonce = randomBytes(16).toString('base64');
  const at = (file: string): string =>
    webview.asWebviewUri(vscode.Uri.joinPath(timelineRoot(extensionUri), file)).toString();
  const policy = [
    `default-src 'none'`,
    `script-src 'nonce-${nonce}'`,
    `style-src ${webview.cspSource}`,
    `font-src ${webview.cspSource}`,
    `img-src ${webview.cspSource} data:`,
  ].join('; ');
  // Tests that drive VS Code from outside read the page's own model: webview/inspection.ts.
  const inspect = process.env['PACKET_TRAIL_INSPECT'] === '1' ? ' data-inspect' : '';
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Packet Trail</title>
<link rel="stylesheet" href="${at('timeline.css')}">
</head>
<body>
<div id="timeline"${inspect}></div>
<script nonce="${nonce}" src="${at('timeline.js')}"></script>
</body>
</html>`;
}
