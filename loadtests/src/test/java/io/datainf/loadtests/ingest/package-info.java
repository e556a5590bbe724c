@NullMarked
package io.datainf.loadtests.ingest;

import org.jspecify.annotations.NullMarked;
