// SPDX-License-Identifier: Apache-2.0
/* --list-hooks: see list.h. */
#include "list.h"
#include "escape.h"
#include "functions.h"
#include "json.h"
#include "log.h"

#include <inttypes.h>
#include <stdio.h>

static void json_hooks(const struct functions *functions)
{
	const char *comma = "";

	puts("[");
	for (size_t i = 0; i < functions->count; i++) {
		const struct function *function = &functions->items[i];

		printf("%s{\"function\":", comma);
		json_string(stdout, function->name);
		printf(",\"module\":");
		json_string(stdout, function->module);
		printf(",\"address\":\"0x%" PRIx64 "\",\"skb_arg\":%u,\"prototype\":",
		       function->address, function->position);
		json_string(stdout, function->prototype);
		printf(",\"skipped\":null}");
		comma = ",\n";
	}
	for (size_t i = 0; i < functions->skipped_count; i++) {
		printf("%s{\"function\":", comma);
		json_string(stdout, functions->skipped[i].name);
		printf(",\"module\":");
		json_string(stdout, functions->skipped[i].module);
		printf(",\"skipped\":");
		json_string(stdout, functions->skipped[i].reason);
		printf("}");
		comma = ",\n";
	}
	puts("\n]");
}

static void print_hook(const char *word, const char *name, const char *module, const char *more)
{
	printf("%s ", word);
	escape_print(stdout, module, 0);
	if (*module)
		putchar(':');
	escape_print(stdout, name, 0);
	printf("  ");
	escape_print(stdout, more, 0);
	putchar('\n');
}

void list_hooks(const struct functions *functions, bool json)
{
	if (functions->unlisted)
		complain("which functions the kernel lets be traced isn't known: "
			 "available_filter_functions: some of these may be refused when a trace "
			 "begins, which tells each; mount tracefs to know before");
	if (json) {
		json_hooks(functions);
		return;
	}
	for (size_t i = 0; i < functions->count; i++) {
		const struct function *function = &functions->items[i];

		if (!function->quiet)
			print_hook("hook", function->name, function->module, function->prototype);
	}
	for (size_t i = 0; i < functions->skipped_count; i++) {
		const struct skipped *skipped = &functions->skipped[i];

		print_hook("skip", skipped->name, skipped->module, skipped->reason);
	}
}
