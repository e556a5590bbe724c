package io.datainf.loadtests.query;

/**
 * The power law y = c x^e that lies nearest to some points, by least squares of logarithms.
 *
 * @param exponent e: 1 when y grows in proportion to x
 * @param determination R^2 of the logarithms, 1 for a perfect fit
 * @param greatestDeviation greatest |y / (c x^e) - 1| over the points
 */
record PowerFit(double exponent, double determination, double greatestDeviation) {

    /**
     * Fits.
     *
     * @param x greater than 0, at least two different ones
     * @param y greater than 0, one an {@code x}
     */
    static PowerFit of(double[] x, double[] y) {
        int count = x.length;
        double meanX = 0;
        double meanY = 0;
        for (int i = 0; i < count; i++) {
            meanX += Math.log(x[i]) / count;
            meanY += Math.log(y[i]) / count;
        }
        double xx = 0;
        double xy = 0;
        double yy = 0;
        for (int i = 0; i < count; i++) {
            double dx = Math.log(x[i]) - meanX;
            double dy = Math.log(y[i]) - meanY;
            xx += dx * dx;
            xy += dx * dy;
            yy += dy * dy;
        }
        if (!(xx > 0 && Double.isFinite(xx + xy + yy))) {
            throw new IllegalArgumentException("x and y must be greater than 0, and not all x equal");
        }
        double exponent = xy / xx;
        double greatest = 0;
        for (int i = 0; i < count; i++) {
            double fitted = Math.exp(meanY + exponent * (Math.log(x[i]) - meanX));
            greatest = Math.max(greatest, Math.abs(y[i] / fitted - 1));
        }
        return new PowerFit(exponent, yy == 0 ? 1 : xy * xy / (xx * yy), greatest);
    }
}
