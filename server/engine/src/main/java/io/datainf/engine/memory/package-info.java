/**
 * What a row is: the blocks of a sample's gradient, how its elements are encoded, and the off-heap
 * memory in which rows lie. Knows nothing of files, formulas or the network.
 */
@NullMarked
package io.datainf.engine.memory;

import org.jspecify.annotations.NullMarked;
