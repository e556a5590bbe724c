package io.datainf.engine.kernel;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Whether this process can work on {@link DenseMatrix} and {@link SymmetricMatrix}, which OpenBLAS does. */
public final class DenseAlgebra {

    private static final Logger LOG = LoggerFactory.getLogger(DenseAlgebra.class);

    private DenseAlgebra() {}

    /** Loads OpenBLAS the first time, which takes about a second, and says whether it is there; if not, a warning tells why. */
    public static boolean available() {
        return Library.LOADED;
    }

    private static final class Library {

        static final boolean LOADED = load();

        private static boolean load() {
            NativeLibraries.liftMemoryLimits();
            try {
                OpenBlas.load();
                return true;
            } catch (LinkageError | RuntimeException e) {
                LOG.warn(
                        "OpenBLAS does not load, so EXACT solves by conjugate gradients only: {}",
                        NativeLibraries.reason(e));
                return false;
            }
        }
    }
}
