package io.datainf.loadtests.ingest;

/**
 * What a sending process is told; {@code loadtests/peers/sender.py} says what it means.
 *
 * @param path how to send: "datainf", "grpc" and others
 * @param target where to
 * @param name of the run
 * @param firstWriter number of its first writer over all processes
 * @param writers its writers
 * @param dtype "f32" or "bf16"
 * @param elements of a row
 * @param bytes of all rows of all its writers
 * @param messageBytes about how many of them to hand over at a time
 */
record Command(
        String path,
        String target,
        String name,
        int firstWriter,
        int writers,
        String dtype,
        int elements,
        long bytes,
        int messageBytes) {}
