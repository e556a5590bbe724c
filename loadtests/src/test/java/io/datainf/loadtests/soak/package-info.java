@NullMarked
package io.datainf.loadtests.soak;

import org.jspecify.annotations.NullMarked;
