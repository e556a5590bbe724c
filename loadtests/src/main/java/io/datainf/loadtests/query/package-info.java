/** Queries to the real server, from its clients' point of view. */
@NullMarked
package io.datainf.loadtests.query;

import org.jspecify.annotations.NullMarked;
