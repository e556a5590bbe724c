package io.datainf.sidecar.rpc;

/** The golden cases with memory for few rows, or none: the others are read from the files. */
class OverMemoryWireTest extends GoldenWireTest {

    @Override
    long memoryBudgetBytes() {
        return 20_000;
    }
}
