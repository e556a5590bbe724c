@NullMarked
package io.datainf.loadtests.query;

import org.jspecify.annotations.NullMarked;
