;; A Maelstrom workload that judges a node in two phases. First, clients send all types of messages at once; Knossos
;; looks for one order of all that they saw in which every reply is the right one. Then, one client sends the messages
;; of closing.txt, one after another, and compares the replies. Last, the node counts many requests. It needs nothing
;; but a Maelstrom release:
;;
;;   java -Djava.awt.headless=true -cp MAELSTROM/lib/maelstrom.jar clojure.main \
;;     -i tests/maelstrom/least_connections.clj -m least-connections --bin target/release/least-connections \
;;     --time-limit 10 --rate 500 --concurrency 8 -- api-10 api-1 api-2
;;
;; --bin may be any node, and may be repeated to judge several. The names after -- are its arguments, the backends.
;; Sorted as text or by number, they have another order, so that a tie shows which one the node goes by. One of them
;; begins with another.
;;
;; Input that is not JSON, open pools and the bytes of replies are tested by `cargo test`, not here.
(ns least-connections
  (:require [cheshire.core :as json]
            [clojure.java.io :as io]
            [clojure.java.shell :refer [sh]]
            [clojure.string :as str]
            [clojure.tools.logging :refer [warn]]
            [jepsen [checker :as checker]
                    [cli :as cli]
                    [client :as client]
                    [core :as jepsen]
                    [generator :as gen]
                    [history :as h]]
            [knossos.model :refer [inconsistent]]
            [maelstrom [client :as c]
                       [core :as core]
                       [net :as net]]
            [maelstrom.net.journal :as journal]
            [slingshot.slingshot :refer [try+]]
            [tesser.core :as tesser])
  (:import (knossos.model Model)))

;; The rules

(defn fresh [name]
  {:name name, :active 0, :total 0, :draining false})

(defn answer
  "What becomes of the pool, a vector of backends in order, when a message arrives, and the reply. In it, maps of names
  are lists of pairs, as their order counts; the text of an error is :any; a `last_used` is whether it is set."
  [pool f {:keys [backend active_connections]}]
  (let [at     (.indexOf (mapv :name pool) backend)
        counts (fn [pool] (map (juxt :name :active) pool))
        error  (fn [code] [pool {:type "error", :code code, :text :any}])
        ok     (fn [pool] [pool {:type (str (name f) "_ok"), :backend backend, :active_connections (counts pool)}])]
    (case f
      :stats [pool {:type "stats_ok"
                    :backends (for [{:keys [name active total draining]} pool]
                                [name {"active_connections" active, "total_requests" total
                                       "last_used" (pos? total), "draining" draining}])}]
      :add   (if (neg? at) (ok (conj pool (fresh backend))) (error 21))
      :http_request
      (let [reported (mapv #(update % :active (fn [own] (get active_connections (:name %) own))) pool)
            chosen   (first (sort-by :active (remove :draining reported)))] ; A stable sort: the first of a tie.
        (cond
          (not-every? (set (map :name pool)) (keys active_connections)) (error 20)
          (nil? chosen)                                                 (error 11)
          :else (let [routed (replace {chosen (-> chosen (update :active inc) (update :total inc))} reported)]
                  [routed (cond-> {:type "http_response", :backend (:name chosen)}
                            (nil? active_connections) (assoc :status 200, :active_connections (counts routed)))])))
      (if (neg? at)
        (error 20)
        (case f
          :request_complete (if (zero? (:active (pool at)))
                              (error 22)
                              (ok (update-in pool [at :active] dec)))
          :drain            (ok (assoc-in pool [at :draining] true))
          :resume           (ok (assoc-in pool [at :draining] false))
          :remove           (ok (filterv #(not= backend (:name %)) pool)))))))

(defrecord Balancer [pool]
  Model
  (step [_ {:keys [f value]}]
    (let [[pool right] (answer pool f value)
          reply        (:reply value)]
      (if (contains? #{nil right} reply) ; Without a reply, it may have happened.
        (Balancer. pool)
        (inconsistent (str "the reply is " reply " but should be " right))))))

(defn comparable
  "The body of a reply, as `answer` has it: maps as lists of pairs, and any text of an error as :any."
  [{:keys [type text] :as body}]
  (cond-> (update-vals body #(if (map? %) (vec %) %))
    (and (= "error" type) (string? text) (not= "" text)) (assoc :text :any)))

(defn unasked
  "A reply that was sent twice, or that answers nothing, if there is one. Maelstrom's clients ignore both."
  [test node]
  (let [sent  (journal/tesser-journal test (->> journal/sends (tesser/map :message) (tesser/into [])))
        asked (set (map (juxt :src (comp :msg_id :body)) sent))]
    (->> (filter #(= node (:src %)) sent)
         (map (juxt :dest (comp :in_reply_to :body)))
         frequencies
         (some (fn [[[client msg-id] times]]
                 (when (or (< 1 times) (not (asked [client msg-id])))
                   {:to client, :in_reply_to msg-id, :times times}))))))

(defn verdict
  "Knossos's verdict: valid, or the operation that no order explains, and why. `linear.svg` shows the orders tried.
  `:unasked` is a reply too many, `:closing` what is wrong in the closing phase, if anything."
  [pool]
  (let [knossos  (checker/linearizable {:model (Balancer. (mapv fresh pool)), :algorithm :linear})
        closing? (h/has-f? :closing)]
    (reify checker/Checker
      (check [_ test history opts]
        (let [{:keys [op final-paths] :as analysis} (checker/check knossos test (h/remove closing? history) opts)
              last-steps (filter #(= (:process op) (:process (:op %))) (map last final-paths))
              unasked    (unasked test (first (:nodes test)))
              closing    (:value (last (h/filter closing? history)))]
          (cond-> (select-keys analysis [:valid? :cause :op])
            op                    (assoc :why (distinct (map (comp :msg :model) last-steps)))
            unasked               (assoc :valid? false, :unasked unasked)
            (not= :right closing) (assoc :valid? false, :closing closing)))))))

;; The closing phase

(def transcript
  "The steps of closing.txt, which is beside this file: messages, each with the reply that is expected, if any."
  (reduce (fn [steps part]
            (let [body #(update-keys (json/parse-string (subs part 1)) keyword)] ; Ignores what follows the object.
              (case (first part)
                \> (conj steps {:message (body)})
                \< (conj (pop steps) (assoc (peek steps) :expected (body)))
                steps)))
          []
          (str/split (slurp (io/file (.getParent (io/file *file*)) "closing.txt")) #"(?m)^(?=[<>])")))

(def repeats
  "Steps that closing.txt cannot list: their JSON has a key twice, once as a keyword and once as a string."
  [{:message {:type "http_request", :active_connections {"api-2" 1, :api-2 1}}, :expected {:type "error", :code 12}}
   {:message {:type "resume", :backend "api-1", "backend" "api-1"}, :expected {:type "error", :code 12}}])

(defn restart
  "The steps of an `init` that goes back to the backends of the command line."
  [pool]
  (let [fresh {"active_connections" 0, "total_requests" 0, "last_used" nil, "draining" false}]
    [{:message {:type "init"}, :expected {:type "init_ok"}}
     {:message {:type "stats"}, :expected {:type "stats_ok", :backends (zipmap pool (repeat fresh))}}]))

(defn with-times
  "The expected reply, where each `last_used` is that of the reply, if it is in the range, or else the range."
  [expected reply ranges]
  (reduce-kv (fn [expected backend [from to :as range]]
               (let [path [:backends backend "last_used"]
                     time (get-in reply path)]
                 (cond-> expected
                   (get-in expected path) (assoc-in path (if (and (int? time) (<= from time to)) time range)))))
             expected
             ranges))

(defn play!
  "Sends the messages of the steps, one after another. Returns :right, or the first one with another reply."
  [net node steps]
  (let [{:keys [node-id] :as conn} (c/open! net)]
    (loop [[{:keys [message expected]} & steps] steps
           ranges {}] ; For each backend, between which times the last request was routed there.
      (Thread/sleep 5)
      (let [{:keys [msg_id] :as message} (merge {:msg_id (c/msg-id! conn)} message)
            from     (System/currentTimeMillis)
            _        (net/send! net {:src node-id, :dest node, :body message})
            {:keys [src body]} (net/recv! net node-id (if expected 10000 100))
            to       (inc (System/currentTimeMillis)) ; The node may round up.
            reply    (cond-> (dissoc body :msg_id)
                       (and src (not= src node)) (assoc :src src))
            expected (some-> expected (assoc :in_reply_to msg_id) (with-times reply ranges))
            expected (cond-> expected
                       (= "error" (:type expected)) (assoc :text :any))
            ranges   (cond-> ranges
                       (= "http_response" (:type expected)) (assoc (:backend expected) [from to]))]
        (cond
          (not= (comparable expected) (comparable reply))
          (doto {:sent message, :reply (or reply :missing), :expected (or expected :none)}
            (->> (warn "The closing phase ends early:"))) ; A crash leaves no other trace.
          steps (recur steps ranges)
          :else :right)))))

(defn flood
  "Sends 2^16 requests to another process of the node, as Maelstrom takes long. Returns :right, or the last reply. With
  500 requests a second, a node is in time."
  [{:keys [bin args nodes]}]
  (let [line  (fn [type] (json/generate-string {:src "c0", :dest (first nodes), :body {:type type, :msg_id 1}}))
        lines (concat [(line "init")] (repeat 65536 (line "http_request")) [(line "stats")])
        ended (future (sh (.getCanonicalPath (io/file bin)) (first args) :in (str/join (map #(str % "\n") lines))))
        reply (last (str/split-lines (:out (deref ended 200000 {:out "\"none in 200 s\""}))))
        {:strs [active_connections total_requests]} (get-in (json/parse-string reply) ["body" "backends" (first args)])]
    (if (= 65536 active_connections total_requests)
      :right
      {:sent "65536 requests, and stats", :reply reply})))

;; The clients

(defn reply
  "The part of a reply's body that the rules determine, as `answer` has it."
  [body]
  (-> (cond-> body
        (:backends body) (update :backends update-vals #(update % "last_used" int?)))
      comparable
      (dissoc :in_reply_to :msg_id)))

(defrecord Client [net node conn]
  client/Client
  (open! [this _test node] (assoc this :node node, :conn (c/open! net)))
  (setup! [_ _test])
  (invoke! [_ {:keys [args] :as test} {:keys [f value] :as op}]
    (try+ (assoc op :type :ok, :value (if (= f :closing)
                                        (let [steps (concat (restart args) transcript repeats (restart args))
                                              found (play! net node steps)]
                                          (if (= :right found) (flood test) found))
                                        (assoc value :reply (reply (c/rpc! conn node (assoc value :type (name f)))))))
          ;; An error may be right: the backend is gone, or idle.
          (catch [:type :rpc-error] {:keys [body]}
            (assoc op :type :ok, :value (assoc value :reply (reply body))))
          (catch [:type :maelstrom.client/timeout] _
            (assoc op :type :info, :error :net-timeout))))
  (teardown! [_ _test])
  (close! [_ _test] (c/close! conn))

  client/Reusable
  (reusable? [_ _test] true))

;; What the clients send

(def mix
  "How often each type is sent. As many completions as requests keep ties frequent."
  {:http_request 20, :request_complete 18, :drain 2, :resume 3, :add 4, :remove 1, :stats 2})

(defn pick
  "A random operation. Any backend may be removed. Soon it is added again, at the end of the order."
  [backends]
  (let [f       (rand-nth (mapcat (fn [[f n]] (repeat n f)) mix))
        base    (rand-nth [0 0 8 14 98 254 65534 16777214 2147483646 4294967294]) ; Past 10, 16, 100, 2^8, … and 2^32.
        counts  (repeatedly #(+ base (rand-int 4)))
        reports (zipmap (shuffle (random-sample 0.6 backends)) counts)]
    {:f f
     :value (case f
              :stats        {}
              :http_request (rand-nth [{} {} {} {} {:active_connections reports}])
              {:backend (rand-nth backends)})}))

;; The test

(defn workload [{:keys [net args]}]
  (let [spare (first (remove (set args) (map #(str "api-" %) (iterate inc 3))))] ; It is unknown until it is added.
    {:client    (map->Client {:net net})
     :generator (gen/phases {:f :stats} ; Every `last_used` is null here.
                            #(pick (conj args spare)))
     :checker   (verdict args)}))

(defn options [parsed]
  (let [{{:keys [nodes args]} :options :as parsed} (core/opt-fn parsed)]
    (cond-> parsed
      (next nodes)
      (update :errors conj "Each node balances by itself: this workload takes one (--node-count 1).")

      (not (<= 1 (count args) 7)) ; A map of up to eight names keeps its order, and one may be added.
      (update :errors conj "Name one to seven backends after --, for example: -- api-10 api-1 api-2"))))

(defn judge!
  "Runs the test on one node. Returns, and prints, whether it is right."
  [options]
  (let [valid? (try (-> (core/maelstrom-test (assoc options :workload :least-connections))
                        (update :generator gen/phases (gen/clients {:f :closing}))
                        (assoc-in [:logging :overrides "jepsen.util"] :warn) ; No operations.
                        jepsen/run! :results :valid?)
                    (catch Throwable t
                      (warn t "The test crashed:")
                      :crashed))]
    (println (str (:bin options) ": :valid? " valid?))
    valid?))

(defn -main [& args]
  (alter-var-root #'core/workloads assoc :least-connections workload)
  (cli/run! {"test" {:opt-spec (cli/merge-opt-specs (concat cli/test-opt-spec core/test-opt-spec core/opt-spec)
                                                    [[nil "--bin FILE" "A node to judge. May be repeated."
                                                      :missing  "Name a node to judge: --bin FILE"
                                                      :assoc-fn #(update %1 %2 (fnil conj []) %3)]])
                     :opt-fn   options
                     :run      (fn [{:keys [options]}]
                                 (->> (:bin options)
                                      (mapv #(judge! (assoc options :bin %)))
                                      (group-by identity)
                                      cli/test-all-exit!))}}
            (concat ["test" "--node-count" "1" "--availability" "total"] args)))
