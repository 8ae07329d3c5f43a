// An address has the name of a function, or the program, that it is in, and of no other.
import { describe, expect, test } from 'vitest';
import { StreamDecoder } from '../../../extension/trace/decoder.ts';
import { TraceStore } from '../../../extension/trace/store.ts';
import { bootMono, events, hello, join, programs, stacks, symbols, textBase } from './encode.ts';

function storeOf(...frames: Uint8Array[]): TraceStore {
  const store = new TraceStore();
  new StreamDecoder(store).feed(join(hello(), ...frames));
  return store;
}

describe('a symbol', () => {
  const address = 0xffffffffc0100000n;

  test('has the addresses in its size and no other', () => {
    const { symbols: table } = storeOf(symbols({ address, size: 0x400, name: 'nft_do_chain', module: 'nf_tables' }));
    expect(table.text(address)).toBe('nft_do_chain [nf_tables]');
    expect(table.text(address + 0x3ffn)).toBe('nft_do_chain+0x3ff [nf_tables]');
    expect(table.text(address + 0x400n)).toBe('0xffffffffc0100400');
    expect(table.text(address - 1n)).toBe('0xffffffffc00fffff');
  });

  test('of unknown size has a page', () => {
    const { symbols: table } = storeOf(symbols({ address, name: 'old' }));
    expect(table.text(address + 0xfffn)).toBe('old+0xfff');
    expect(table.text(address + 0x1000n)).toBe('0xffffffffc0101000');
  });

  test('gives way to what comes to its place', () => {
    const { symbols: table } = storeOf(
      symbols(
        { address: address + 0x100n, size: 0x100, name: 'first', module: 'gone' },
        { address: address + 0x200n, size: 0x100, name: 'second', module: 'gone' },
        { address: address + 0x300n, size: 0x100, name: 'third', module: 'there' },
      ),
      symbols({ address, size: 0x280, name: 'long', module: 'new' }),
    );
    expect(table.text(address + 0x180n)).toBe('long+0x180 [new]');
    expect(table.text(address + 0x240n)).toBe('long+0x240 [new]');
    expect(table.text(address + 0x2f0n)).toBe('0xffffffffc01002f0');
    expect(table.text(address + 0x310n)).toBe('third+0x10 [there]');
  });

  test('is where a call in it returns to, though that may be behind its end; the innermost address of a stack is none', () => {
    const end = textBase + 0x2100n;
    const store = storeOf(
      symbols(
        { address: textBase + 0x2000n, size: 0x100, name: 'start_secondary' },
        { address: end, size: 0x100, name: 'next' },
      ),
      stacks([1, [end, end, end + 0x100n, end + 0x101n]]),
      events({ time: bootMono, hook: 1, packet: 1, stack: 1 }),
    );
    expect(store.detail(0).stack).toEqual(['next', 'start_secondary+0x100', 'next+0x100', '0xffffffff81002201']);
  });
});

test('a program calls with the last byte of its code, and with none behind it', () => {
  const image = { address: 0xffffffffc0200000n, size: 0x100 };
  const { programs: table } = storeOf(
    programs({ id: 7, type: 3, images: [image] }),
    programs({ id: 8, type: 3, images: [{ address: image.address + 0x100n, size: 0x100 }] }),
  );
  const by = (offset: bigint): number | undefined => table.at(image.address + offset, bootMono)?.id;
  expect([by(0n), by(1n), by(0x100n), by(0x101n), by(0x200n), by(0x201n)]).toEqual([undefined, 7, 7, 8, 8, undefined]);
});
