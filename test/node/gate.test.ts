// The kernel that every change is held to: the newest of Debian 12 and 13, which has all that the helper can use.
import { gateOf } from './suites/index.ts';

gateOf('6.12');
