@NullMarked
package io.datainf.loadtests.report;

import org.jspecify.annotations.NullMarked;
