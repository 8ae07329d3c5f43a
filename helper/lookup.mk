# The C library's name services, which lookup.c stands in for: the linker puts it in their place.
LOOKUP_WRAP := -Wl,--wrap=getaddrinfo,--wrap=freeaddrinfo,--wrap=gethostbyname \
	-Wl,--wrap=getprotobyname_r,--wrap=getnetbyname_r,--wrap=ether_hostton
