// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The kernel side, whole: one object from one header a concern. README.md has the reading order. */
#include "kernel.h"
#include "state.h"
#include "arch.h"
#include "skb.h"
#include "headers.h"
#include "tuple.h"
#include "frame.h"
#include "identity.h"
#include "slot.h"
#include "send.h"
#include "lineage.h"
#include "ends.h"
#include "fragments.h"
#include "merge.h"
#include "function.h"
#include "drop.h"
#include "point.h"
#include "program.h"
#include "xdp.h"
#include "iterator.h"

/* GPL: bpf_probe_read_kernel and others are for GPL-compatible programs only. */
char LICENSE[] SEC("license") = "Dual BSD/GPL";
