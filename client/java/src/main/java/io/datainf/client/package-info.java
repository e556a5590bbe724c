/**
 * Client of the DataInf sidecar for programs on the JVM (17 or newer): creates runs, streams per-sample LoRA gradients,
 * asks for influence scores.
 *
 * <p>Begin at {@link io.datainf.client.DataInfClient}. A gradient is D numbers: one sample's own loss, before
 * optimiser and clipping, the blocks of the run one after the other, each row-major as {@code [rank, width]}.
 *
 * <p>Sign of every score, the paper's (DataInf, arXiv 2310.00902): giving training sample k more weight changes the
 * validation loss by about {@code score_k}, so a negative score marks a helpful sample and a positive score a harmful
 * one. dattri, LogIX, kronfluence and captum use the opposite sign.
 */
@NullMarked
package io.datainf.client;

import org.jspecify.annotations.NullMarked;
