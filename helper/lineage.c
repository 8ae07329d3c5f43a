// SPDX-License-Identifier: Apache-2.0
/* Where packets' identity is told: see lineage.h. */
#include "lineage.h"

const struct lineage_hook lineage_hooks[LINEAGES] = {
	[LINEAGE_RELEASE] = {"on_release", "skb_release_head_state",
			     "void skb_release_head_state(struct sk_buff *skb)", 1},
	[LINEAGE_RELEASED] = {"on_released", "skb_release_data",
			      "void skb_release_data(struct sk_buff *skb, …)", 1},
	[LINEAGE_PARTIAL] = {"on_partial", "kfree_skb_partial",
			     "void kfree_skb_partial(struct sk_buff *skb, bool head_stolen)", 1},
	[LINEAGE_MEMORY] = {"on_memory", "kfree_skbmem", "void kfree_skbmem(struct sk_buff *skb)",
			    1},
	[LINEAGE_STOLEN] = {"on_stolen", "napi_skb_free_stolen_head",
			    "void napi_skb_free_stolen_head(struct sk_buff *skb)", 1},
	[LINEAGE_REUSE] = {"on_reuse", "napi_reuse_skb",
			   "void napi_reuse_skb(struct napi_struct *napi, struct sk_buff *skb)", 2},
	[LINEAGE_EXPANDED] = {"on_expanded", "pskb_expand_head",
			      "int pskb_expand_head(struct sk_buff *skb, …)", 1},
	[LINEAGE_COPY] = {"on_copy", "__copy_skb_header",
			  "void __copy_skb_header(struct sk_buff *new, const struct sk_buff *old)",
			  2},
	[LINEAGE_MERGE] = {"on_merge", "skb_gro_receive",
			   "int skb_gro_receive(struct sk_buff *p, struct sk_buff *skb)", 2},
};
