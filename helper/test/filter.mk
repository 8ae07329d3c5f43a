# The filter compiler's test: sanitizers find what the comparison with libpcap can't.
# Wants LIBPCAP (libpcap.sh --path), CFLAGS with the warnings, and OUT; gives $(OUT)/filter_test.

# As in the helper itself.
include ../lookup.mk
FILTER_WRAP := $(LOOKUP_WRAP)
FILTER_SOURCES := ../filter.c ../translate.c ../translate_load.c ../coming.c ../known.c ../unroll.c ../lookup.c filter_test.c

$(OUT)/filter_test: $(FILTER_SOURCES) ../filter.h ../translate.h ../translation.h ../coming.h ../known.h ../unroll.h ../../bpf/event.h filter.mk $(LIBPCAP)/lib/libpcap.a | $(OUT)
	@printf '  %-8s %s\n' TEST $@
	$(Q)$(CC) $(CFLAGS) -fsanitize=address,undefined -fno-sanitize-recover=all -isystem $(LIBPCAP)/include \
		$(FILTER_SOURCES) $(FILTER_WRAP) $(LIBPCAP)/lib/libpcap.a -o $@
