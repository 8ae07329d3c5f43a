// The newest kernel that Debian has.
import { matrixOf } from '../suites/index.ts';

matrixOf('7.2');
