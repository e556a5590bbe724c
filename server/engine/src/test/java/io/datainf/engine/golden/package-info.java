/** Reads the golden cases: inputs and expected outputs of the paper's reference code. See {@code golden/README.md}. */
@NullMarked
package io.datainf.engine.golden;

import org.jspecify.annotations.NullMarked;
