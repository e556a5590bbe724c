/** Writers and a server that are killed and cut off again and again, and whether every sample is there in the end, once. */
@NullMarked
package io.datainf.loadtests.soak;

import org.jspecify.annotations.NullMarked;
