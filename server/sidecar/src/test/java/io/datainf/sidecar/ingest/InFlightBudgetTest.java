package io.datainf.sidecar.ingest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class InFlightBudgetTest {

    private final InFlightBudget budget = new InFlightBudget(100);
    private final List<String> woken = new ArrayList<>();

    private Runnable stream(String name) {
        return () -> woken.add(name);
    }

    @Test
    void admit_room_admits() {
        budget.add(99);
        assertThat(budget.admit(50, stream("a"))).isTrue();
        assertThat(woken).isEmpty();
    }

    @Test
    void admit_full_wakesInOrderOfArrival() {
        budget.add(100);
        assertThat(budget.admit(30, stream("a"))).isFalse();
        assertThat(budget.admit(30, stream("b"))).isFalse();
        assertThat(budget.admit(30, stream("c"))).isFalse();
        budget.release(1);
        assertThat(woken).containsExactly("a");
        budget.add(30);
        budget.release(70); // room for 41: one is expected to take 30, another may overshoot
        assertThat(woken).containsExactly("a", "b", "c");
    }

    @Test
    void admit_othersWait_queuesBehindThem() {
        budget.add(100);
        assertThat(budget.admit(200, stream("a"))).isFalse();
        assertThat(budget.admit(1, stream("b"))).isFalse();
        budget.release(50);
        assertThat(woken).containsExactly("a");
        assertThat(budget.admit(1, stream("c"))).isFalse();
        budget.release(1);
        assertThat(woken).containsExactly("a", "b", "c");
    }

    @Test
    void part_countsInTheWholeAndWaitsForBoth() {
        InFlightBudget part = budget.part(10);
        InFlightBudget other = budget.part(1_000);
        part.add(10);
        assertThat(budget.usedBytes()).isEqualTo(10);
        assertThat(part.admit(1, stream("own"))).isFalse();
        assertThat(other.admit(1, stream("other"))).isTrue();
        part.release(1);
        assertThat(woken).containsExactly("own");

        other.add(91);
        assertThat(other.admit(1, stream("whole"))).isFalse();
        part.release(9);
        assertThat(woken).containsExactly("own", "whole");
        other.release(91);
        assertThat(budget.usedBytes()).isZero();
    }

    @Test
    void forget_waiting_isNotWoken() {
        budget.add(100);
        Runnable a = stream("a");
        assertThat(budget.admit(1, a)).isFalse();
        assertThat(budget.admit(1, stream("b"))).isFalse();
        budget.forget(a);
        budget.release(100);
        assertThat(woken).containsExactly("b");
        assertThat(budget.usedBytes()).isZero();
    }

    @Test
    void wake_mayUseTheBudget() {
        budget.add(100);
        assertThat(budget.admit(1, () -> {
                    budget.add(5);
                    budget.release(5);
                    woken.add("a");
                }))
                .isFalse();
        budget.release(10);
        assertThat(woken).containsExactly("a");
        assertThat(budget.usedBytes()).isEqualTo(90);
    }

    @Test
    void maxBytes_zero_isRefused() {
        assertThatThrownBy(() -> new InFlightBudget(0)).hasMessageContaining("maxBytes is 0");
    }
}
