#!/bin/sh
# clean.sh: removes what scenarios have built, with everything that runs in it.
. /scenarios/lib/net.sh
remove $(ip netns list | cut -d ' ' -f 1)
