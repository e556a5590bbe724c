/** How fast samples come in, beside other ways to move the same bytes, and what that costs those who ask or train meanwhile. */
@NullMarked
package io.datainf.loadtests.ingest;

import org.jspecify.annotations.NullMarked;
