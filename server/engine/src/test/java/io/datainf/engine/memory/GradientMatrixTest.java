package io.datainf.engine.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.ValueLayout;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GradientMatrixTest {

    private static BlockLayout layout(int width) {
        return BlockLayout.of(List.of(new Block("a", 1, width)));
    }

    @ParameterizedTest
    @CsvSource({
        "1, F32, 4, 64",
        "16, F32, 64, 64",
        "17, F32, 68, 128",
        "33, BF16, 66, 128",
        "1024, F32, 4096, 4288", // off multiples of a page
        "1023, F32, 4092, 4288",
        "1024, BF16, 2048, 2048"
    })
    void stride_isCacheLinesButNotPages(int width, ElementType type, long rowBytes, long strideBytes) {
        try (GradientMatrix matrix = new GradientMatrix(layout(width), type)) {
            assertThat(matrix.rowBytes()).isEqualTo(rowBytes);
            assertThat(matrix.strideBytes()).isEqualTo(strideBytes);
            assertThat(GradientMatrix.strideBytes(layout(width), type)).isEqualTo(strideBytes);
        }
    }

    @Test
    void rows_areWithoutPadding_tilesAreWithIt() {
        try (GradientMatrix matrix = new GradientMatrix(layout(3), ElementType.F32)) {
            for (int i = 0; i < 5; i++) {
                matrix.nextRow().setAtIndex(ValueLayout.JAVA_FLOAT, 2, i);
                matrix.publishRow();
            }
            assertThat(matrix.rowCount()).isEqualTo(5);
            assertThat(matrix.row(4).byteSize()).isEqualTo(12);
            assertThat(matrix.row(4).getAtIndex(ValueLayout.JAVA_FLOAT, 2)).isEqualTo(4);
            assertThat(matrix.rows(1, 3).byteSize()).isEqualTo(3 * 64);
            assertThat(matrix.rows(1, 3).get(ValueLayout.JAVA_FLOAT, 2 * 64 + 8))
                    .isEqualTo(3);
        }
    }

    @Test
    void matrix_ofF16_throws() {
        assertThatThrownBy(() -> new GradientMatrix(layout(1), ElementType.F16))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("elementType is F16");
    }

    @Test
    void closedMatrix_throws() {
        GradientMatrix matrix = new GradientMatrix(layout(1), ElementType.F32);
        matrix.nextRow();
        matrix.publishRow();
        matrix.close();
        assertThatThrownBy(() -> matrix.row(0).get(ValueLayout.JAVA_FLOAT, 0))
                .isInstanceOf(IllegalStateException.class);
    }
}
