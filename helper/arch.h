/* SPDX-License-Identifier: Apache-2.0 */
/* All that the helper must know of a processor; the BPF side has bpf/arch.h. */
#ifndef PACKET_TRAIL_HELPER_ARCH_H
#define PACKET_TRAIL_HELPER_ARCH_H

#if defined(__x86_64__)
/*
 * A traceable function begins with the five bytes that ftrace turns into a call and back. Nothing
 * of the function has run behind them, and a kprobe there is a breakpoint of its own: arming it
 * doesn't make ftrace walk through all of the kernel's functions.
 */
#define BEHIND_FTRACE 5
#else
/* Kprobes don't go through ftrace here (CONFIG_KPROBES_ON_FTRACE). */
#define BEHIND_FTRACE 0
#endif

#endif
