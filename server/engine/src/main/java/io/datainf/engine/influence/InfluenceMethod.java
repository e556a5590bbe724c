package io.datainf.engine.influence;

/** How the inverse Hessian-vector product h is approximated, block by block. */
public sealed interface InfluenceMethod {

    /**
     * DataInf (Kwon et al., ICLR 2024, arXiv 2310.00902): r_l = 1/n sum_i (v_l . g_{i,l}) / (lambda_l + q_{i,l}) g_{i,l} and
     * h_l = (v_l - r_l) / lambda_l.
     */
    record DataInf() implements InfluenceMethod {}

    /** h = v: the paper's Hessian-free baseline. */
    record HessianFree() implements InfluenceMethod {}
}
