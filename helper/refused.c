// SPDX-License-Identifier: Apache-2.0
/* Programs of ours that the kernel refuses: see refused.h. */
#include "refused.h"
#include "load.h"

#include <string.h>

/* What a trace can do without, each alone. */
static const char *const optional[] = {
	"on_first",    "on_second",	  "on_third",	  "on_drop",	    "on_drop_match",
	"on_end",      "on_consume",	  "on_release",	  "on_copy",	    "on_merge",
	"on_receive",  "on_released",	  "on_partial",	  "on_memory",	    "on_stolen",
	"on_reuse",    "on_expanded",	  "on_rx",	  "on_queue",	    "on_start_xmit",
	"on_tc_entry", "on_tc_verdict",	  "on_xdp_entry", "on_xdp_verdict", "on_before_xdp",
	"on_new_skb",  "on_each_program",
};

bool load_refused(const struct load *load, const char *program)
{
	for (size_t i = 0; i < sizeof(optional) / sizeof(*optional); i++)
		if (load->refused & 1U << i && strcmp(optional[i], program) == 0)
			return true;
	return false;
}

int load_refuse(struct load *load, const char *log)
{
	const char *name = strstr(log, "prog '"), *end;

	if (!name)
		return -1;
	name += strlen("prog '");
	end = strchr(name, '\'');
	for (size_t i = 0; end && i < sizeof(optional) / sizeof(*optional); i++) {
		if (strlen(optional[i]) != (size_t)(end - name) ||
		    strncmp(optional[i], name, end - name) != 0 || load->refused & 1U << i)
			continue;
		load->refused |= 1U << i;
		return 0;
	}
	return -1;
}
