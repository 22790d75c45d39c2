// Package tap has of the Test Anything Protocol, version 13, what the validation programs call. They import
// github.com/mndrix/tap-go, which Debian has not: this is written from their calls, and `build` puts it in that place.
package tap

import (
	"encoding/json"
	"fmt"
	"strings"
)

// T counts the assertions of one document.
type T struct {
	count int
	todo  bool
}

// New begins a document; Header prints its first line.
func New() *T {
	return &T{}
}

// Header says how many assertions will come; 0 where AutoPlan says so at the end.
func (t *T) Header(planned int) {
	fmt.Println("TAP version 13")
	if planned > 0 {
		fmt.Printf("1..%d\n", planned)
	}
}

// AutoPlan says how many assertions there were.
func (t *T) AutoPlan() {
	fmt.Printf("1..%d\n", t.count)
}

// Todo is where the assertion to come is known not to hold.
func (t *T) Todo() *T {
	t.todo = true
	return t
}

// Ok prints one assertion.
func (t *T) Ok(holds bool, description string) {
	word := "ok"
	if !holds {
		word = "not ok"
	}
	directive := ""
	if t.todo {
		directive = " # TODO"
	}
	t.todo = false
	t.count++
	fmt.Printf("%s %d - %s%s\n", word, t.count, oneLine(description), directive)
}

// Pass is an assertion that holds.
func (t *T) Pass(description string) {
	t.Ok(true, description)
}

// Fail is an assertion that does not hold.
func (t *T) Fail(description string) {
	t.Ok(false, description)
}

// Skip stands for assertions that are not made, and says why.
func (t *T) Skip(count int, why string) {
	for range count {
		t.count++
		fmt.Printf("ok %d # SKIP %s\n", t.count, oneLine(why))
	}
}

// Diagnostic prints a comment.
func (t *T) Diagnostic(text string) {
	fmt.Println("# " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n# "))
}

// Diagnosticf prints a comment.
func (t *T) Diagnosticf(format string, values ...any) {
	t.Diagnostic(fmt.Sprintf(format, values...))
}

// YAML prints a block about the assertion before it; all JSON is YAML.
func (t *T) YAML(value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	fmt.Printf("  ---\n  %s\n  ...\n", text)
	return nil
}

// A line more would be an assertion more.
func oneLine(text string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(text, "#", "\\#")), " ")
}
