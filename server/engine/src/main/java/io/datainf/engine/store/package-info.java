/**
 * The durable copy of the rows: the data directory and its lock, manifests of runs, segment files, recovery. Only the
 * {@code *Format} classes know offsets. Formats: {@code server/docs/file-formats.md}.
 */
@NullMarked
package io.datainf.engine.store;

import org.jspecify.annotations.NullMarked;
