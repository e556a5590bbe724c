/** Tests of the client against peers in this process. */
@NullMarked
package io.datainf.client;

import org.jspecify.annotations.NullMarked;
