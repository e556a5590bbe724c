package io.datainf.client;

/** How {@code h = (Hessian + lambda I)^-1 v} is approximated, block by block. */
public enum InfluenceMethod {
    /** Closed form of DataInf. */
    DATAINF(io.datainf.proto.v1.InfluenceMethod.INFLUENCE_METHOD_DATAINF),
    /** h = v, the paper's Hessian-free baseline. */
    HESSIAN_FREE(io.datainf.proto.v1.InfluenceMethod.INFLUENCE_METHOD_HESSIAN_FREE),
    /** LiSSA iteration. */
    LISSA(io.datainf.proto.v1.InfluenceMethod.INFLUENCE_METHOD_LISSA),
    /** LiSSA as the authors' code has it, with the sign of lambda reversed: for parity only. */
    LISSA_REFERENCE(io.datainf.proto.v1.InfluenceMethod.INFLUENCE_METHOD_LISSA_REFERENCE),
    /** The exact solution. */
    EXACT(io.datainf.proto.v1.InfluenceMethod.INFLUENCE_METHOD_EXACT);

    private final io.datainf.proto.v1.InfluenceMethod proto;

    InfluenceMethod(io.datainf.proto.v1.InfluenceMethod proto) {
        this.proto = proto;
    }

    io.datainf.proto.v1.InfluenceMethod proto() {
        return proto;
    }
}
