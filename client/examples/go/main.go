// Command datainf-example streams samples into a DataInf server and prints those that matter most for validation points.
package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"log"
	"math"
	"os"
	"time"

	pb "datainf.io/example/gen/datainf/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
)

// Gradients and ids of a batch. Constant, so that a stream that resumes cuts the same batches.
const batchBytes = 1 << 20

var (
	target  = flag.String("target", "127.0.0.1:50051", "the server: host:port or unix:/path")
	runID   = flag.String("run", "example", "the run; made if it does not exist")
	layout  = flag.String("layout", "", `the blocks, a JSON file: {"blocks": [{"name": "lora_A", "rows": 4, "columns": 64}]}`)
	train   = flag.String("train", "", "float32 little-endian, a row for each sample")
	firstID = flag.Uint64("first-id", 0, "id of the first sample; others follow")
	writer  = flag.String("writer", rand.Text(), "name of an earlier writer, to go on where it stopped")
	val     = flag.String("val", "", "float32 little-endian, a row for each validation point")
	top     = flag.Int64("top", 10, "how many samples to print, most harmful first")
)

func main() {
	log.SetFlags(0)
	flag.Parse()
	conn := must(grpc.NewClient(*target, grpc.WithTransportCredentials(insecure.NewCredentials())))
	blocks, acked := &pb.BlockLayout{}, &pb.Ack{} // acked: all acks together
	must(0, protojson.Unmarshal(must(os.ReadFile(*layout)), blocks))
	run := must(pb.NewRunServiceClient(conn).CreateRun(context.Background(), &pb.CreateRunRequest{
		Run: &pb.Run{RunId: *runID, Layout: blocks}})).Run
	if *train != "" {
		rows := must(os.Open(*train))
		err := push(conn, run, rows, acked)
		for i := 0; i < 600 && status.Code(err) == codes.Unavailable; i++ { // seconds
			time.Sleep(time.Second)
			conn.ResetConnectBackoff()
			err = push(conn, run, rows, acked)
		}
		must(0, err)
		log.Printf("%d duplicates, %d replaced, rejected: %v", acked.DuplicateCount, acked.ReplacedCount, acked.RejectedSamples)
	}
	if *val != "" {
		query(conn, run, acked.Revision)
	}
}

// push sends what is not durable yet. When it returns nil, everything is. Errors but Unavailable end the program, and the stream with it.
func push(conn *grpc.ClientConn, run *pb.Run, rows io.ReaderAt, acked *pb.Ack) error {
	stream, err := pb.NewIngestServiceClient(conn).Ingest(context.Background())
	if err != nil {
		return err
	}
	// Errors of Send are left to Recv, which tells the reason.
	_ = stream.Send(&pb.IngestRequest{Message: &pb.IngestRequest_Open{
		Open: &pb.Open{RunId: run.RunId, WriterId: *writer, LayoutHash: run.LayoutHash}}})
	answer, err := stream.Recv()
	if err != nil {
		return err
	}
	limits := answer.GetOpened()
	if limits.MaxMessageBytes < 2*batchBytes {
		return fmt.Errorf("max_message_bytes is %d: expected at least %d", limits.MaxMessageBytes, 2*batchBytes)
	}
	rowBytes := 4 * run.Dimension
	batch := make([]byte, max(1, batchBytes/(rowBytes+8))*rowBytes)
	unackedBatches := max(1, limits.MaxUnackedBytes/int64(len(batch))) // one must go, however large
	acked.DurableBatchSeq = limits.ResumeAfterBatchSeq
	for seq := acked.DurableBatchSeq + 1; err == nil; seq++ {
		offset := (seq - 1) * int64(len(batch))
		n, readErr := rows.ReadAt(batch, offset)
		if n == 0 && readErr == io.EOF {
			break
		} else if (readErr != nil && readErr != io.EOF) || int64(n)%rowBytes != 0 {
			return fmt.Errorf("%s: expected rows of %d bytes: %w", *train, rowBytes, readErr)
		}
		for err == nil && seq-acked.DurableBatchSeq > unackedBatches {
			err = receive(stream, acked)
		}
		ids := make([]uint64, int64(n)/rowBytes)
		for i := range ids {
			ids[i] = *firstID + uint64(offset/rowBytes) + uint64(i)
		}
		// A sample larger than a message travels in pieces. Everything else is one piece.
		for at := 0; at < n; at += batchBytes {
			piece := batch[at:min(at+batchBytes, n)]
			_ = stream.Send(&pb.IngestRequest{Message: &pb.IngestRequest_Batch{Batch: &pb.SampleBatch{
				BatchSeq: seq, SampleIds: ids, ElementOffset: int64(at / 4), Gradients: piece,
				Crc32C: crc32.Checksum(piece, crc32.MakeTable(crc32.Castagnoli))}}})
		}
	}
	_ = stream.CloseSend()
	for err == nil {
		err = receive(stream, acked)
	}
	if err != io.EOF {
		return err
	}
	return nil
}

func receive(stream pb.IngestService_IngestClient, total *pb.Ack) error {
	answer, err := stream.Recv()
	if ack := answer.GetAck(); ack != nil {
		total.DurableBatchSeq, total.Revision = ack.DurableBatchSeq, ack.Revision
		total.DuplicateCount, total.ReplacedCount = total.DuplicateCount+ack.DuplicateCount, total.ReplacedCount+ack.ReplacedCount
		total.RejectedSamples = append(total.RejectedSamples, ack.RejectedSamples...)
	}
	return err
}

// query prints validation point, sample id and score, tab-separated.
func query(conn *grpc.ClientConn, run *pb.Run, minRevision int64) {
	gradients := must(os.ReadFile(*val))
	points := &pb.ValidationGradients{Count: int32(int64(len(gradients)) / (4 * run.Dimension))}
	spec := &pb.QuerySpec{RunId: run.RunId, MinRevision: minRevision,
		Source:    &pb.QuerySpec_ValidationGradients{ValidationGradients: points},
		Selection: &pb.Selection{Kind: &pb.Selection_Top{Top: &pb.TopSamples{Count: *top}}}}
	stream := must(pb.NewInfluenceServiceClient(conn).Query(context.Background(), &pb.QueryRequest{Spec: spec, Gradients: gradients}))
	for answer, err := stream.Recv(); err != io.EOF; answer, err = stream.Recv() {
		chunk := must(answer, err).GetScores() // nil in other messages, and then empty
		for i := 0; i < len(chunk.GetScores()); i += 8 {
			fmt.Printf("%d\t%d\t%.17g\n", chunk.QueryIndex, binary.LittleEndian.Uint64(chunk.SampleIds[i:]),
				math.Float64frombits(binary.LittleEndian.Uint64(chunk.Scores[i:])))
		}
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
