/** What a suite has measured, as a table for people and a file for programs. */
@NullMarked
package io.datainf.loadtests.report;

import org.jspecify.annotations.NullMarked;
